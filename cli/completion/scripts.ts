/** What shells are told: to ask `aurochs complete` for each word. Where that knows nothing, files are offered. */

export const SCRIPTS = {
  bash: `# Completion of aurochs for bash:  source <(aurochs completion bash)
_aurochs() {
  local IFS=$'\\n'
  COMPREPLY=($("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _aurochs aurochs
`,
  zsh: `#compdef aurochs
# Completion of aurochs for zsh, after compinit:  source <(aurochs completion zsh)
_aurochs() {
  local found
  found=$("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if [[ -n $found ]]; then
    compadd -- "\${(@f)found}"
  else
    _files
  fi
}
compdef _aurochs aurochs
`,
} as const;
