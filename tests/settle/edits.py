"""Random edits of a project: those that compile to the same statement and build the same, those that
compile to the same and build something else, and ordinary ones."""

import json

from project import (AROUND, COLUMNS, EVERYWHERE, FORMS, HEADS, HIDDEN, MACROS, NUMBERS, OF_CODE, SHOWN, TRAITS, next_number)


class Edit:
    """`kind` is one of harmless, hidden and real. The target is a model, a macro, or neither."""

    def __init__(self, kind, what, model=None, macro=None):
        self.kind, self.what, self.model, self.macro = kind, what, model, macro


def other(rng, pool, present):
    return rng.choice([one for one in pool if one != present])


# Of the text of a model: each returns what it did.

def another_number(rng, model):
    model.ways["number"] = other(rng, NUMBERS, model.ways["number"])
    return "the number written otherwise"


def another_parent(rng, model):
    model.ways["parent"] = other(rng, model.parents(), model.ways["parent"])
    return "the parent written otherwise"


def another_head(rng, model):
    model.head = other(rng, HEADS, model.head)
    return "a Jinja comment, set or dead branch in front"


def another_column(rng, model):
    model.columns = other(rng, COLUMNS, model.columns)
    return "the column written otherwise, or a loop unrolled"


def another_config(rng, model):
    model.configured = other(rng, range(5), model.configured)
    return "config() written otherwise"


def number_changed(rng, model):
    model.number = other(rng, range(1, 90), model.number)
    return "another number"


def commented(rng, model):
    model.comment = f" /* {rng.randrange(9999)} */"
    return "a comment of SQL"


def factor_changed(rng, model):
    model.factor = "" if model.factor else "cents"
    return "a macro called, or not"


def rows_changed(rng, model):
    if model.has_readers or model.kind == "incremental" or TRAITS[model.trait].where:
        return number_changed(rng, model)
    model.rows = f" where n < {rng.randrange(2, 7)}"
    return "other rows"


def trait_number(rng, model):
    # Many traits only ask whether it is even.
    following = rng.choice([k for k in range(1, 90) if (k - model.k) % 2])
    model.k, model.before = next_number((model.k, model.before), following)
    return model.trait


def trait_changed(rng, model, traits):
    # A table that becomes incremental keeps its constraints and indexes, an incremental model its comments.
    stays = model.kind == "incremental" or rng.random() < 0.7
    if stays and "persist_docs" in json.dumps(model.properties()):
        return trait_number(rng, model)
    kinds = [model.kind] if stays else ["view", "table"]
    model.trait = rng.choice([name for name, trait in traits.items() if set(kinds) & set(trait.kinds)] or ["number"])
    if not stays:
        model.kind = rng.choice(sorted(set(kinds) & set(TRAITS[model.trait].kinds)))
    model.k, model.before = rng.randrange(1, 90), model.k
    model.rows = "" if model.kind == "incremental" or TRAITS[model.trait].where else model.rows
    return f"to {model.trait}"


HARMLESS = [another_number, another_number, another_parent, another_head, another_head, another_column, another_config]
REAL = [number_changed, number_changed, commented, factor_changed, rows_changed]


def of_model(rng, model, wildness):
    """Edit a model. Returns None where that did not change it."""
    chance, before = rng.random(), (model.text, model.properties())
    if model.trait in HIDDEN and TRAITS[model.trait].has_number() and rng.random() < 0.4:
        kind, what = "hidden", trait_number(rng, model)
    elif chance > wildness:
        what = rng.choice(HARMLESS)
        kind, what = "harmless", what(rng, model)
    elif chance > wildness * 0.4:
        has_number = TRAITS[model.trait].has_number() and rng.random() < 0.7
        what = trait_number(rng, model) if has_number else trait_changed(rng, model, HIDDEN)
        kind = "hidden" if model.trait in HIDDEN else "real"
    else:
        change = rng.choice([*REAL, trait_changed])
        kind, what = "real", change(rng, model, SHOWN) if change is trait_changed else change(rng, model)
    model.write()
    return Edit(kind, what, model) if (model.text, model.properties()) != before else None


# Of everything else.

def of_macro(rng, world, name, wildness):
    form, parameter, note, file = world.form[name]
    if rng.random() < wildness and "KK" in MACROS[name][1]:
        pair = world.k[name], world.before[name]
        world.k[name], world.before[name] = next_number(pair, other(rng, range(1, 20), world.k[name]))
        return Edit("real" if name in OF_CODE else "hidden", f"the number of the macro {name}", macro=name)
    if rng.random() < 0.2 and "." not in name:
        file = other(rng, ["one", "two", "three"], file)
        what = f"the macro {name} moved"
    else:
        form, note = other(rng, FORMS, form), rng.randrange(1000, 9999)
        parameter = rng.choice(["x", "y", "given"])
        what = f"the macro {name} written otherwise"
    world.form[name] = form, parameter, note, file
    return Edit("harmless" if name in OF_CODE else "hidden", what, macro=name)


def of_world(rng, world):
    which = rng.choice([
        "var", "env_var", "var of hooks", "env_var of hooks", "docs", "hook of a folder", "override",
        "seed codes", "seed numbers", "latest", "folder", "inlined", "inlined", "inlined number", "odd"])
    if which.startswith("var"):
        world.vars["hook" if "hooks" in which else "number"] = rng.randrange(1, 90)
    elif which.startswith("env_var"):
        world.environment["PROVE_HOOK" if "hooks" in which else "PROVE_A"] = str(rng.randrange(1, 90))
    elif which == "inlined":
        head = other(rng, HEADS, world.inlined[1]).replace("RR", str(rng.randrange(1000, 9999)))
        world.inlined = world.inlined[0], head
    elif which == "inlined number":
        world.inlined = rng.randrange(1, 90), world.inlined[1]
    else:
        world.k[which] += 1
    hidden = ("hooks", "docs", "folder", "odd")  # A compile does not show it.
    kind = "harmless" if which == "inlined" else "hidden" if which.endswith(hidden) else "real"
    return Edit(kind, which)


def of_round(world):
    """Edit most of the models, and some of the rest. Returns the edits."""
    rng = world.rng
    wildness = rng.choice([0.12, 0.12, 0.3, 0.7])
    edits = [of_model(rng, model, wildness) for model in world.models if rng.random() < 0.9]
    edits = [edit for edit in edits if edit]
    names = [*OF_CODE, *AROUND, *(EVERYWHERE if rng.random() < 0.15 else [])]
    edits += [of_macro(rng, world, name, wildness * 0.3) for name in names
              if rng.random() < (0.3 if name in OF_CODE else wildness * 0.4)]
    edits += [of_world(rng, world) for _ in range(rng.randrange(3) if wildness > 0.2 else rng.random() < 0.5)]
    return edits
