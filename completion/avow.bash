# Completion of avow for bash. Installed where bash-completion finds it by the command's name, or:
#   . completion/avow.bash
# shellcheck shell=bash

# Options of a command ($1), those of every command included; without one, the latter alone.
_avow_options()
{
    local all="--help --version --json --quiet --no-progress --cluster --identity"

    case $1 in
    demo) echo "$all --nodes --iterations --verifier --dir --keep --output" ;;
    attest) echo "$all --policy --roots" ;;
    verify) echo "$all --with --verifier --issuer --token --at --policy --roots --offline --store --kds --pcs --ca --bundle --ear --ear-key --nonce --jobs" ;;
    collateral)
        echo "$all --store --kds --pcs --thim --fmspc --product --update --refresh --ahead --kds-interval --timeout" \
            "--tries --ca --before"
        ;;
    policy) echo "$all --with --at --roots --tight --pin-machines --allow-debug --output --member" ;;
    run) echo "$all --output" ;;
    status | watch | cancel) echo "$all --job-file" ;;
    fetch) echo "$all --job-file --output" ;;
    *) echo "$all" ;;
    esac
}

_avow_commands="demo attest verify policy collateral run status watch fetch cancel identity doctor"

# Ids of the jobs that were started from here.
_avow_jobs()
{
    local file dir=${XDG_STATE_HOME:-$HOME/.local/state}/avow/jobs

    for file in "$dir"/*.json; do
        [ -f "$file" ] || continue
        file=${file##*/}
        echo "${file%.json}"
    done
}

_avow_files()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_avow_folders()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$1")
}

# Folders, and files whose name ends as YAML's do.
_avow_yaml()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(
        compgen -f -X '!*.yaml' -- "$1"
        compgen -f -X '!*.yml' -- "$1"
        compgen -d -- "$1"
    )
}

_avow()
{
    local word command="" i skip=false
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [ "$word" = "=" ]; then # `--option=value` comes as three words
            skip=true
            continue
        fi
        if $skip; then
            skip=false
            continue
        fi
        case $word in
        --cluster | --identity | --nodes | --iterations | --verifier | --dir | --output | -o | --policy | --roots | --at | --job-file | \
            --with | --issuer | --token | --bundle | --ear | --ear-key | --nonce | --jobs | --store | --kds | --pcs | --thim | --fmspc | \
            --product | --update | --ahead | --kds-interval | --timeout | --tries | --ca | --before | --member)
            skip=true
            ;;
        -*) ;;
        *) [ -n "$command" ] || command=$word ;;
        esac
    done
    if [ "$cur" = "=" ]; then
        cur=""
    elif [ "$prev" = "=" ] && [ "$COMP_CWORD" -ge 2 ]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $prev in
    --cluster | --policy | --job-file) _avow_yaml "$cur" && return ;;
    --identity | --roots | --with | --token | --bundle | --ear | --ear-key | --store | --ca) _avow_files "$cur" && return ;;
    --output | -o) if [ "$command" = policy ]; then _avow_files "$cur"; else _avow_folders "$cur"; fi && return ;;
    --dir) _avow_folders "$cur" && return ;;
    --nodes) mapfile -t COMPREPLY < <(compgen -W "sev=1,tdx=1 sev=3,tdx=2" -- "$cur") && return ;;
    --product) mapfile -t COMPREPLY < <(compgen -W "Milan Genoa Turin" -- "$cur") && return ;;
    --verifier)
        if [ "$command" = verify ]; then
            _avow_files "$cur"
        else
            mapfile -t COMPREPLY < <(compgen -W "service local" -- "$cur")
        fi && return
        ;;
    --update) mapfile -t COMPREPLY < <(compgen -W "standard early" -- "$cur") && return ;;
    --iterations | --at | --nonce | --jobs | --kds | --pcs | --thim | --fmspc | --ahead | --kds-interval | --timeout | \
        --tries | --before | --member) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_avow_options "$command")" -- "$cur")
        return
    fi
    case $command in
    "" | help) mapfile -t COMPREPLY < <(compgen -W "$_avow_commands" -- "$cur") ;;
    attest | run) _avow_yaml "$cur" ;;
    verify) _avow_files "$cur" ;;
    collateral)
        _avow_files "$cur"
        [ "$prev" = collateral ] && mapfile -t COMPREPLY < <(compgen -W "fetch import export list prune" -- "$cur")
        ;;
    policy)
        if [ "$prev" = policy ]; then
            mapfile -t COMPREPLY < <(compgen -W "from test check" -- "$cur")
        else
            _avow_files "$cur"
        fi
        ;;
    status | watch | fetch | cancel) mapfile -t COMPREPLY < <(compgen -W "$(_avow_jobs)" -- "$cur") ;;
    esac
}

complete -F _avow avow
