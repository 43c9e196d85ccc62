"""Whether a value is good by a schema, as python jsonschema says: asked part by part, each once.

A test may get 100,000 frames that are alike. What jsonschema said of a part is kept where the same
would be asked again: of a scalar (the same value by the same schema), and of an object's names (by
what looks at nothing else: required, additionalProperties). Everything else is asked each time. So
all of a frame is judged by jsonschema, in a quarter of the time; why a value is bad, it tells of
the whole.
"""

# Of one place of a schema; then they are forgotten, and asked again.
KEPT = 4096
KEPT_LENGTH = 64  # characters of a string, names of an object
_SCALARS = (str, int, float, bool, type(None))
# Keywords that say nothing of a value (x-key-name: schemas.data_problems looks).
_SILENT = {"$schema", "title", "description", "x-key-name", "$defs"}


def _looks_at_names(keyword, value):
    """Whether a keyword's verdict on an object is known from its type and its members' names."""
    if keyword == "anyOf":
        return all(set(choice) == {"required"} for choice in value)
    return keyword in ("type", "required") or (keyword, value) == ("additionalProperties", False)


def _said(schema):
    return {word: value for word, value in schema.items() if word not in _SILENT}


class Verdict:
    """Of one place of a schema, whose references are resolved."""

    def __init__(self, schema, compiled):
        """COMPILED makes a validator of a schema."""
        rest = _said(schema)
        while set(rest) == {"allOf"} and len(rest["allOf"]) == 1:
            rest = _said(rest["allOf"][0])
        self._every = [Verdict(part, compiled) for part in rest.pop("allOf", ())]
        members = rest.pop("properties", {})
        self._members = {name: Verdict(part, compiled) for name, part in members.items()}
        items = rest.pop("items", None)
        self._items = Verdict(items, compiled) if items is not None else None
        names = {word: value for word, value in rest.items() if _looks_at_names(word, value)}
        more = {word: value for word, value in rest.items() if word not in names}
        if "additionalProperties" in names:
            names["properties"] = dict.fromkeys(members, True)
        # Of an object, by its names; of an object, each time; of everything else.
        self._by_names = compiled(names)
        self._by_members = compiled(more) if more else None
        self._by_value = compiled({w: v for w, v in rest.items() if w != "additionalProperties"})
        self._known = set()

    def good(self, value):
        """Whether jsonschema has nothing to say against VALUE."""
        if isinstance(value, dict):
            return self._good_object(value)
        if isinstance(value, list):
            return self._good_array(value)
        # 1, 1.0 and true are equal, and three values.
        key = (value.__class__, value)
        if key in self._known:
            return True
        if not (self._by_value.is_valid(value) and self._good_by_every(value)):
            return False
        if not isinstance(value, str) or len(value) <= KEPT_LENGTH:
            self._keep(key)
        return True

    def _good_by_every(self, value):
        return all(part.good(value) for part in self._every)

    def _good_object(self, value):
        names = tuple(value)
        if names not in self._known:
            if not self._by_names.is_valid(dict.fromkeys(names)):
                return False
            if len(names) <= KEPT_LENGTH:
                self._keep(names)
        if self._by_members is not None and not self._by_members.is_valid(value):
            return False
        for name, part in self._members.items():
            if name in value and not part.good(value[name]):
                return False
        return self._good_by_every(value)

    def _good_array(self, value):
        if not self._by_value.is_valid(value):
            return False
        if self._items is not None and not all(self._items.good(item) for item in value):
            return False
        return self._good_by_every(value)

    def _keep(self, key):
        if len(self._known) == KEPT:
            self._known.clear()
        self._known.add(key)
