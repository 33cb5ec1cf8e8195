//! Completions for bash, zsh and fish, made from the program's own table of options.

use dbt_entrypoint::cli::options::{OPTIONS, Row, VERBS, VerbRow};

const NAME: &str = "dbt-entrypoint";

/// dbt's commands that are worth completing; dbt's own completion knows the rest.
const DBT: &str = "run build seed snapshot retry test compile ls docs deps debug";

/// What `plan` can foresee.
const PLANNED: &str = "run build seed";

/// What a value can be.
enum Value {
    Words(String),
    Files,
    Directories,
    Anything,
}

fn value(row: &Row) -> Value {
    match row.value {
        "DIR" => Value::Directories,
        "PATH" => Value::Files,
        "KINDS" => Value::Words("incremental materialized_view distributed_incremental".into()),
        words if words.contains('|') && !words.contains('%') => {
            Value::Words(words.replace('|', " "))
        }
        _ => Value::Anything,
    }
}

/// Each row's text; one without its own has that of the row after it.
pub(super) fn described(rows: &'static [Row]) -> Vec<(&'static Row, &'static str)> {
    let text = |at: usize| rows[at..].iter().map(|row| row.help).find(|help| !help.is_empty());
    rows.iter().enumerate().map(|(at, row)| (row, text(at).unwrap_or_default())).collect()
}

/// The same for verbs.
pub(super) fn verbs() -> Vec<(&'static VerbRow, &'static str)> {
    let text = |at: usize| VERBS[at..].iter().map(|row| row.help).find(|help| !help.is_empty());
    VERBS.iter().enumerate().map(|(at, row)| (row, text(at).unwrap_or_default())).collect()
}

fn names(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("--{}", row.name)).collect::<Vec<_>>().join(" ")
}

fn verb_names() -> String {
    VERBS.map(|verb| verb.name).join(" ")
}

pub(super) fn bash() -> String {
    let valued: Vec<String> = OPTIONS
        .iter()
        .filter(|row| !row.is_switch())
        .map(|row| format!("--{}", row.name))
        .collect();
    let mut values = String::new();
    let own = VERBS.iter().flat_map(|verb| verb.options);
    for row in OPTIONS.iter().chain(own).filter(|row| !row.is_switch()) {
        let action = match value(row) {
            Value::Words(words) => format!("COMPREPLY=($(compgen -W '{words}' -- \"$cur\"))"),
            Value::Files => "compopt -o default".into(),
            Value::Directories => "compopt -o dirnames".into(),
            Value::Anything => ":".into(),
        };
        let line = format!("        --{}) {action}; return ;;\n", row.name);
        if !values.contains(&line) {
            values.push_str(&line);
        }
    }
    let of_verbs: String = VERBS
        .iter()
        .map(|verb| {
            let words = format!("{} --help", names(verb.options));
            format!("        {},-*) words='{}' ;;\n", verb.name, words.trim())
        })
        .collect();
    format!(
        r#"# bash completion for {NAME}: its options and verbs; what follows dbt's command is dbt's.
_dbt_entrypoint() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} first='' words='' i
    COMPREPLY=()
    # To bash, --option=value is three words.
    if [[ $cur == '=' ]]; then
        cur=''
    elif [[ $prev == '=' ]]; then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
        {valued})
            ((i++))
            if [[ ${{COMP_WORDS[i]}} == '=' ]]; then ((i++)); fi
            ;;
        --) first=--; break ;;
        -* | =) ;;
        *) first=${{COMP_WORDS[i]}}; break ;;
        esac
    done
    case $first in
    '' | exec | adopt)
        case $prev in
{values}        esac
        ;;
    esac
    case $first,$cur in
        ,-*) words='{options}' ;;
        ,*) words='{verbs} {DBT}' ;;
{of_verbs}        plan,*) words='{PLANNED}' ;;
        *) compopt -o default ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -F _dbt_entrypoint {NAME}
"#,
        valued = valued.join(" | "),
        options = names(&OPTIONS),
        verbs = verb_names(),
    )
}

fn zsh_quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

fn zsh_option(row: &Row, help: &str) -> String {
    let help = zsh_quoted(help);
    let action = match value(row) {
        _ if row.is_switch() => return format!("'--{}[{help}]'", row.name),
        Value::Words(words) => format!("({words})"),
        Value::Files => "_files".into(),
        Value::Directories => "_files -/".into(),
        Value::Anything => " ".into(),
    };
    let what = row.value.to_lowercase().replace(':', " ");
    format!("'--{}=[{help}]:{what}:{action}'", row.name)
}

pub(super) fn zsh() -> String {
    let options: String = described(&OPTIONS)
        .iter()
        .map(|(row, help)| format!("        {} \\\n", zsh_option(row, help)))
        .collect();
    let described_verbs: String = verbs()
        .iter()
        .map(|(verb, help)| format!("            '{}:{}'\n", verb.name, zsh_quoted(help)))
        .collect();
    let of_verbs: String = verbs()
        .iter()
        .map(|(verb, _)| {
            let own: String = described(verb.options)
                .iter()
                .map(|(row, help)| format!("{} ", zsh_option(row, help)))
                .collect();
            let rest = match verb.name {
                "plan" => format!("'1:dbt command:({PLANNED})' '*::word:_files'"),
                "exec" => "'*::command:_normal'".into(),
                _ => "'*:word: '".into(),
            };
            format!("            {}) _arguments {own}'--help[what it does]' {rest} ;;\n", verb.name)
        })
        .collect();
    format!(
        r#"#compdef {NAME}
# zsh completion for {NAME}: its options and verbs; what follows dbt's command is dbt's.
_dbt_entrypoint() {{
    local context state state_descr line
    typeset -A opt_args
    _arguments -S -C \
{options}        '1: :->first' \
        '*:: :->rest' && return
    case $state in
        first)
            local -a verbs=(
{described_verbs}            )
            _describe verb verbs
            _values 'dbt command' {DBT}
            ;;
        rest)
            case $words[1] in
{of_verbs}            *) _files ;;
            esac
            ;;
    esac
}}
if [ "$funcstack[1]" = _dbt_entrypoint ] || [ "$funcstack[1]" = _{NAME} ]; then
    _dbt_entrypoint "$@"
else
    compdef _dbt_entrypoint {NAME}
fi
"#
    )
}

fn fish_option(condition: &str, row: &Row, help: &str) -> String {
    let action = match value(row) {
        _ if row.is_switch() => String::new(),
        Value::Words(words) => format!(" -x -a '{words}'"),
        Value::Files => " -r -F".into(),
        Value::Directories => " -x -a '(__fish_complete_directories)'".into(),
        Value::Anything => " -x".into(),
    };
    let help = help.replace('\'', "\\'");
    format!("complete -c {NAME} -n '{condition}' -l {}{action} -d '{help}'\n", row.name)
}

pub(super) fn fish() -> String {
    let valued: Vec<String> = OPTIONS
        .iter()
        .filter(|row| !row.is_switch())
        .map(|row| format!("--{}", row.name))
        .collect();
    let mut text = format!(
        r#"# fish completion for {NAME}: its options and verbs; what follows dbt's command is dbt's.

# The first word that is no option of ours: a verb, or dbt's command.
function __dbt_entrypoint_first
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case {valued}
                set skip 1
            case '-*'
            case '*'
                echo $word
                return
        end
    end
end

function __dbt_entrypoint_at
    test "$(__dbt_entrypoint_first)" = "$argv"
end

complete -c {NAME} -n '__dbt_entrypoint_at ""' -f
"#,
        valued = valued.join(" ")
    );
    for (row, help) in described(&OPTIONS) {
        text.push_str(&fish_option("__dbt_entrypoint_at \"\"", row, help));
    }
    for (verb, help) in verbs() {
        let help = help.replace('\'', "\\'");
        text.push_str(&format!(
            "complete -c {NAME} -n '__dbt_entrypoint_at \"\"' -a {} -d '{help}'\n",
            verb.name
        ));
        for (row, help) in described(verb.options) {
            text.push_str(&fish_option(&format!("__dbt_entrypoint_at {}", verb.name), row, help));
        }
    }
    text.push_str(&format!(
        "complete -c {NAME} -n '__dbt_entrypoint_at \"\"' -a '{DBT}' -d dbt\n\
         complete -c {NAME} -n '__dbt_entrypoint_at plan' -f -a '{PLANNED}' -d dbt\n"
    ));
    text
}
