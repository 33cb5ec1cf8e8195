"""How the code of a project spells what it reads. Each function returns Jinja or SQL; what it renders to
is `World.value_of`."""

GRAPH = ('{{ graph.nodes.values() | selectattr("resource_type", "equalto", "model") '
         '| map(attribute="name") | sort | join("+") if execute else "" }}')


def read(kind, name):
    if kind == "env":
        return f'{{{{ env_var("{name}", "-") }}}}'
    return f'{{{{ var("{name}", "-") | replace("\'", "") }}}}'


def read_somehow(kind, name):
    """Return the same with another spelling for each number of a name, all of them made of literals."""
    call = 'env_var(%s, "-")' if kind == "env" else 'var(%s, "-") | replace("\'", "")'
    start, number = name[:-1], int(name[-1])
    return [
        "{{ " + call % f'"{name}"' + " }}",
        f'{{% for one in ["{name}"] %}}{{{{ ' + call % "one" + " }}{% endfor %}",
        "{{ " + call % f'"{start}" ~ "{number}"' + " }}",
        f'{{% set one = "{name}" %}}{{{{ ' + call % "one" + " }}",
    ][number]


def expression(kind, name):
    """Return the SQL expression of what a model reads."""
    if kind == "macro":
        return f"{{{{ {name}() }}}}"
    if kind == "execute":
        return f"{{% if execute %}}{{{{ {name}() }}}}{{% else %}}'parsed'{{% endif %}}"
    if kind == "call":
        return f"{{% call {name}() %}}inner{{% endcall %}}"
    return "'" + quoted(kind, name) + "'"


def quoted(kind, name):
    if kind in ("env", "var"):
        return read_somehow(kind, name)
    return {
        "typed": f'{{{{ var("{name}", "-") is string }}}}',
        "computed": '{{ env_var("C" ~ (["%s"] | first), "-") }}' % name[1:],
        "joined": '{{ env_var(["C", "%s"] | join, "-") }}' % name[1:],
        "columns": '{{ model.columns | join("+") }}',
        "text": "{{ model.description }}",
        "target": "{{ target.name }}",
        "graph": GRAPH,
    }[kind]
