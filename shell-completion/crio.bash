# SPDX-License-Identifier: Apache-2.0
# Completion of crio for bash. Options come from the program itself, so that they are those of this version.

_crio() {
        local current=${COMP_WORDS[COMP_CWORD]}

        if [[ $current == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "$(crio --help 2>/dev/null |
                        sed -n 's/^ *\(-., \)\?\(--[a-z-]*\).*/\2/p')" -- "$current")
        else
                mapfile -t COMPREPLY < <(compgen -W "config version help" -- "$current")
        fi
}
complete -o default -F _crio crio
