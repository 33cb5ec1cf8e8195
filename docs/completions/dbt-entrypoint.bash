# bash completion for dbt-entrypoint: its options and verbs; what follows dbt's command is dbt's.
_dbt_entrypoint() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} first='' words='' i
    COMPREPLY=()
    # To bash, --option=value is three words.
    if [[ $cur == '=' ]]; then
        cur=''
    elif [[ $prev == '=' ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --mode | --settle | --refresh-changed | --warm | --state-dir | --on-empty | --lock-timeout | --shared-lock | --history | --history-bytes | --state-mode | --max-rebuild | --max-rebuild-time | --protect | --approve | --verify | --max-missing | --probe | --dbt | --stop-grace | --stop-signal | --on-exit | --publish | --termination-log | --metrics-file | --events | --progress | --log | --log-level)
            ((i++))
            if [[ ${COMP_WORDS[i]} == '=' ]]; then ((i++)); fi
            ;;
        --) first=--; break ;;
        -* | =) ;;
        *) first=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $first in
    '' | plan | orphans | adopt | exec)
        case $prev in
        --mode) COMPREPLY=($(compgen -W 'auto full off' -- "$cur")); return ;;
        --settle) COMPREPLY=($(compgen -W 'doubt changes' -- "$cur")); return ;;
        --refresh-changed) COMPREPLY=($(compgen -W 'incremental materialized_view distributed_incremental' -- "$cur")); return ;;
        --warm) COMPREPLY=($(compgen -W 'off on' -- "$cur")); return ;;
        --state-dir) compopt -o dirnames; return ;;
        --on-empty) COMPREPLY=($(compgen -W 'full adopt refuse' -- "$cur")); return ;;
        --lock-timeout) :; return ;;
        --shared-lock) COMPREPLY=($(compgen -W 'warn required' -- "$cur")); return ;;
        --history) :; return ;;
        --history-bytes) :; return ;;
        --state-mode) :; return ;;
        --max-rebuild) :; return ;;
        --max-rebuild-time) :; return ;;
        --protect) :; return ;;
        --approve) :; return ;;
        --verify) :; return ;;
        --max-missing) :; return ;;
        --probe) :; return ;;
        --dbt) compopt -o default; return ;;
        --stop-grace) :; return ;;
        --stop-signal) COMPREPLY=($(compgen -W 'INT TERM' -- "$cur")); return ;;
        --on-exit) :; return ;;
        --publish) :; return ;;
        --termination-log) compopt -o default; return ;;
        --metrics-file) compopt -o default; return ;;
        --events) compopt -o default; return ;;
        --progress) COMPREPLY=($(compgen -W 'auto plain off' -- "$cur")); return ;;
        --log) COMPREPLY=($(compgen -W 'human json' -- "$cur")); return ;;
        --log-level) COMPREPLY=($(compgen -W 'error warn info debug off' -- "$cur")); return ;;
        --graph) COMPREPLY=($(compgen -W 'mermaid dot svg' -- "$cur")); return ;;
        --color) COMPREPLY=($(compgen -W 'auto always never' -- "$cur")); return ;;
        --from) compopt -o default; return ;;
        --rewrite) :; return ;;
        esac
        ;;
    esac
    case $first,$cur in
        ,-*) words='--mode --full --no-state --only-changed --settle --refresh-changed --always-start --warm --state-dir --on-empty --allow-ephemeral --lock-timeout --shared-lock --history --history-bytes --state-mode --max-rebuild --max-rebuild-time --protect --yes --approve --verify --max-missing --probe --dbt --stop-grace --stop-signal --on-exit --publish --termination-log --metrics-file --events --progress --log --log-level --help --version' ;;
        ,*) words='plan status verify orphans history diff rollback adopt invalidate exec run build seed snapshot retry test compile ls docs deps debug' ;;
        plan,-*) words='--all --diff --markdown --graph --json --color --help' ;;
        status,-*) words='--json --help' ;;
        verify,-*) words='--record --json --help' ;;
        orphans,-*) words='--sql --drop --approve --json --help' ;;
        history,-*) words='--json --help' ;;
        diff,-*) words='--json --help' ;;
        rollback,-*) words='--help' ;;
        adopt,-*) words='--from --force --help' ;;
        invalidate,-*) words='--help' ;;
        exec,-*) words='--rewrite --group --stop-grace --help' ;;
        plan,*) words='run build seed' ;;
        *) compopt -o default ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _dbt_entrypoint dbt-entrypoint
