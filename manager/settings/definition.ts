/** What a setting is. */

export interface SettingDefinition {
  category: "system info" | "general" | "backup" | "orphan" | "scheduling" | "danger Zone" | "snapshot";
  type: "string" | "bool" | "int" | "float" | "deprecated";
  /** of a setting per engine: JSON, `{"v1":"3","v2":"3"}` */
  default: string;
  description: string;
  /** why it does nothing here; absent: it takes effect */
  noEffect?: string;
  /** may be empty */
  optional?: true;
  /** only the system writes it */
  readOnly?: true;
  /** has a value for each data engine */
  perEngine?: true;
  min?: number;
  max?: number;
  options?: readonly string[];
  unit?: string;
  zeroMeans?: string;
}
