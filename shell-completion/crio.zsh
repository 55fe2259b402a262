#compdef crio
# SPDX-License-Identifier: Apache-2.0
# Completion of crio for zsh. Options come from the program itself, so that they are those of this version.

_crio() {
        local -a options
        options=(${(f)"$(crio --help 2>/dev/null | sed -n 's/^ *\(-., \)\?\(--[a-z-]*\).*/\2/p')"})
        _arguments '1:command:(config version help)' '*:option:compadd -a options'
}
_crio "$@"
