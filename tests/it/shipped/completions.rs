//! Completions for bash, zsh and fish, made from the program's own options and verbs.

use dbt_entrypoint::cli::{Doc, Operands, Value, groups, verbs};

const NAME: &str = "dbt-entrypoint";

/// dbt's commands that are worth completing; dbt's own completion knows the rest.
const DBT: &str = "run build seed snapshot retry test compile ls docs deps debug";

/// What completes a value.
enum Completion {
    Words(String),
    Files,
    Directories,
    Nothing,
}

fn completion(doc: &Doc) -> Completion {
    match doc.value {
        Value::Choice(words) => Completion::Words(words.join(" ")),
        Value::List { known, .. } if !known.is_empty() => Completion::Words(known.join(" ")),
        Value::Directory => Completion::Directories,
        Value::File => Completion::Files,
        Value::Switch | Value::List { .. } | Value::Text(_) | Value::Optional(_) => {
            Completion::Nothing
        }
    }
}

fn options() -> impl Iterator<Item = &'static Doc> + Clone {
    groups().iter().flat_map(|group| group.options())
}

/// The options whose value may be a word of its own, between `separator`.
fn valued(separator: &str) -> String {
    let valued = options().filter(|doc| doc.value.is_needed());
    valued.map(|doc| format!("--{}", doc.name)).collect::<Vec<_>>().join(separator)
}

fn names(docs: impl Iterator<Item = &'static Doc>) -> String {
    docs.map(|doc| format!("--{}", doc.name)).collect::<Vec<_>>().join(" ")
}

fn verb_names() -> String {
    verbs().map(|verb| verb.name).collect::<Vec<_>>().join(" ")
}

/// dbt's commands that `plan` knows.
fn planned() -> String {
    let commands = verbs().filter_map(|verb| match verb.operands {
        Operands::Dbt(commands) if !commands.is_empty() => Some(commands.join(" ")),
        Operands::Dbt(_) | Operands::None | Operands::Words | Operands::Program => None,
    });
    commands.collect::<Vec<_>>().join(" ")
}

/// What bash completes behind each option that needs a value.
fn bash_values() -> String {
    let mut values = String::new();
    let own = verbs().flat_map(|verb| verb.options).copied();
    for doc in options().chain(own).filter(|doc| doc.value.is_needed()) {
        let action = match completion(doc) {
            Completion::Words(words) => {
                format!("COMPREPLY=($(compgen -W '{words}' -- \"$cur\"))")
            }
            Completion::Files => "compopt -o default".into(),
            Completion::Directories => "compopt -o dirnames".into(),
            Completion::Nothing => ":".into(),
        };
        let line = format!("        --{}) {action}; return ;;\n", doc.name);
        if !values.contains(&line) {
            values.push_str(&line);
        }
    }
    values
}

pub(super) fn bash() -> String {
    let of_verbs: String = verbs()
        .map(|verb| {
            let words = format!("{} --help", names(verb.options.iter().copied()));
            format!("        {},-*) words='{}' ;;\n", verb.name, words.trim())
        })
        .collect();
    let with_values: Vec<&str> = verbs()
        .filter(|verb| verb.options.iter().any(|doc| doc.value.is_needed()))
        .map(|verb| verb.name)
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
    '' | {with_values})
        case $prev in
{values}        esac
        ;;
    esac
    case $first,$cur in
        ,-*) words='{options}' ;;
        ,*) words='{verbs} {DBT}' ;;
{of_verbs}        plan,*) words='{planned}' ;;
        *) compopt -o default ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -F _dbt_entrypoint {NAME}
"#,
        valued = valued(" | "),
        options = names(options()),
        verbs = verb_names(),
        planned = planned(),
        with_values = with_values.join(" | "),
        values = bash_values(),
    )
}

fn zsh_quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

fn zsh_option(doc: &Doc) -> String {
    let help = zsh_quoted(doc.help);
    let action = match completion(doc) {
        _ if !doc.value.is_needed() => return format!("'--{}[{help}]'", doc.name),
        Completion::Words(words) => format!("({words})"),
        Completion::Files => "_files".into(),
        Completion::Directories => "_files -/".into(),
        Completion::Nothing => " ".into(),
    };
    let what = doc.value.shape().to_lowercase().replace(':', " ");
    format!("'--{}=[{help}]:{what}:{action}'", doc.name)
}

/// What zsh completes behind a verb, its options aside.
fn zsh_operands(operands: Operands) -> String {
    match operands {
        Operands::Dbt(commands) if !commands.is_empty() => {
            format!("'1:dbt command:({})' '*::word:_files'", commands.join(" "))
        }
        Operands::Program => "'*::command:_normal'".into(),
        Operands::Dbt(_) | Operands::None | Operands::Words => "'*:word: '".into(),
    }
}

pub(super) fn zsh() -> String {
    let options: String =
        options().map(|doc| format!("        {} \\\n", zsh_option(doc))).collect();
    let described_verbs: String = verbs()
        .map(|verb| format!("            '{}:{}'\n", verb.name, zsh_quoted(verb.help)))
        .collect();
    let of_verbs: String = verbs()
        .map(|verb| {
            let own: String =
                verb.options.iter().map(|doc| format!("{} ", zsh_option(doc))).collect();
            let rest = zsh_operands(verb.operands);
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

fn fish_option(condition: &str, doc: &Doc) -> String {
    let action = match completion(doc) {
        _ if !doc.value.is_needed() => String::new(),
        Completion::Words(words) => format!(" -x -a '{words}'"),
        Completion::Files => " -r -F".into(),
        Completion::Directories => " -x -a '(__fish_complete_directories)'".into(),
        Completion::Nothing => " -x".into(),
    };
    let help = doc.help.replace('\'', "\\'");
    format!("complete -c {NAME} -n '{condition}' -l {}{action} -d '{help}'\n", doc.name)
}

pub(super) fn fish() -> String {
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
        valued = valued(" ")
    );
    for doc in options() {
        text.push_str(&fish_option("__dbt_entrypoint_at \"\"", doc));
    }
    for verb in verbs() {
        let help = verb.help.replace('\'', "\\'");
        text.push_str(&format!(
            "complete -c {NAME} -n '__dbt_entrypoint_at \"\"' -a {} -d '{help}'\n",
            verb.name
        ));
        for doc in verb.options {
            text.push_str(&fish_option(&format!("__dbt_entrypoint_at {}", verb.name), doc));
        }
    }
    text.push_str(&format!(
        "complete -c {NAME} -n '__dbt_entrypoint_at \"\"' -a '{DBT}' -d dbt\n\
         complete -c {NAME} -n '__dbt_entrypoint_at plan' -f -a '{}' -d dbt\n",
        planned()
    ));
    text
}
