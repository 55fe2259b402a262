# SPDX-License-Identifier: Apache-2.0
# Completion of crio for fish. Options come from the program itself, so that they are those of this version.

complete -c crio -f -n __fish_use_subcommand -a 'config version help'
complete -c crio -a "(crio --help 2>/dev/null | string replace -rf '^ *(-., )?(--[a-z-]*).*' '\$2')"
