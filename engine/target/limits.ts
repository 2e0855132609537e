/** Every bound of the target's deciding half, with unit and reason. */

/** Data segment of a login or text PDU, bytes: what both ends must take before anything is declared (RFC 7143 §13.12). */
export const TEXT_SEGMENT_BYTES_MAX = 8_192;

/** Text collected over PDUs with the C bit, bytes: twice what one PDU holds; no initiator sends half of that. */
export const TEXT_BYTES_MAX = 16_384;

/** Keys in one text: so many answers of `name=NotUnderstood` fit one PDU, so that an answer never needs the C bit. */
export const TEXT_KEYS_MAX = 100;

/** Key name, bytes (RFC 7143, text format). */
export const KEY_NAME_BYTES_MAX = 63;

/** Value, bytes, unless a key says otherwise (RFC 7143, text format). */
export const KEY_VALUE_BYTES_MAX = 255;

/** Decoded large binary value, bytes: a CHAP challenge may be as long as this (RFC 7143, CHAP). */
export const BINARY_BYTES_MAX = 1_024;

/** iSCSI name, bytes (RFC 7143, iSCSI name properties). */
export const ISCSI_NAME_BYTES_MAX = 223;

/** CHAP secret, bytes: less than 96 bits is open to a dictionary (RFC 7143, CHAP considerations). */
export const CHAP_SECRET_BYTES_MIN = 12;

/** CHAP challenge that we send, bytes: the longest digest that we offer. */
export const CHAP_CHALLENGE_BYTES = 32;

/** Login requests of one connection: a CHAP login takes four; more is somebody who plays with us. */
export const LOGIN_REQUESTS_MAX = 32;

/** Longest data segment that we take in full feature phase, bytes: one burst of a large write in few PDUs. */
export const MAX_RECV_DATA_SEGMENT_LENGTH = 262_144;

/** Bytes of one R2T or Data-In sequence that we agree to at most: the largest payload of the data plane. */
export const MAX_BURST_LENGTH = 1_048_576;

/** Unsolicited bytes of one command that we agree to at most: held per command before its turn comes. */
export const FIRST_BURST_LENGTH = 262_144;

/** R2Ts of one command under way at once. */
export const MAX_OUTSTANDING_R2T = 8;

/** Initiator ports with a registration: `SAVED_RESERVATION_BYTES_MAX` holds so many of the longest names. */
export const REGISTRATIONS_MAX = 128;

/** Saved reservation state, bytes: it is kept on every replica beside the member record. */
export const SAVED_RESERVATION_BYTES_MAX = 65_536;

/** Initiator ports remembered to tell a nexus loss from a power on. */
export const KNOWN_PORTS_MAX = 1_024;

/** Unit state that is passed on, bytes: reservations in base64, and the longest names of all ports that are remembered. */
export const UNIT_STATE_BYTES_MAX = 1_048_576;

/** Unit attentions pending per nexus; more and the oldest goes, as SAM allows for a full queue. */
export const UNIT_ATTENTIONS_MAX = 16;

/** Bytes of the volume looked at by one GET LBA STATUS: the initiator goes on where the answer ends. */
export const LBA_STATUS_RANGE_BYTES = 1_073_741_824;

/** Descriptors in one answer to GET LBA STATUS. */
export const LBA_STATUS_DESCRIPTORS_MAX = 256;

/** Milliseconds that initiators have to log out when the target shuts down. */
export const SHUTDOWN_LOGOUT_MS = 3_000;

/** Milliseconds that initiators have to close their end when they are sent on to the next engine, which answers already. */
export const LEAVE_MS = 1_000;

/** Milliseconds that a portal is waited for which another engine is about to give up. */
export const PORTAL_WAIT_MS = 10_000;

/** Milliseconds between attempts to get it: nobody can log in meanwhile. */
export const PORTAL_POLL_MS = 5;

/** Milliseconds between attempts to get back one that somebody took while the volume was to be handed over. */
export const PORTAL_RETRY_MS = 1_000;

/** TCP connections of one volume: sessions of a few nodes, discovery, and room for those being replaced. */
export const CONNECTIONS_MAX = 64;

/** Commands that a session may have open: 128 in flight (the deepest queue of common initiators) and some to spare. */
export const COMMAND_WINDOW = 192;

/** Milliseconds of silence before a connection is pinged, and before one that does not answer is closed. */
export const NOP_INTERVAL_MS = 10_000;
export const NOP_TIMEOUT_MS = 10_000;

/** Milliseconds from connect to full feature phase: a login takes milliseconds, a person with telnet does not count. */
export const LOGIN_TIMEOUT_MS = 15_000;
