#!/bin/sh
# bundle.sh BASE SCHEMA...: prints the API document BASE with the JSON Schemas
# in it, in place of its member "schemas/": each under its file's name, and what
# they refer to each other by as places of this document. For the build, which
# has no more than a shell and awk.
set -eu
awk '
# A reference of the schema SELF, as one inside the document.
function inside(ref, self,    hash, file) {
	hash = index(ref, "#")
	file = hash > 0 ? substr(ref, 1, hash - 1) : ref
	sub(/\.json$/, "", file)
	return "#/components/schemas/" (file != "" ? file : self) \
	    (hash > 0 ? substr(ref, hash + 1) : "")
}

function schema(path, pad,    self, text, line, out, ref) {
	self = path
	sub(/.*\//, "", self)
	sub(/\.json$/, "", self)
	while ((getline line < path) > 0)
		text = text (text != "" ? "\n" pad : "") line
	close(path)
	gsub(/"\$(schema|id)": *"[^"]*",? *\n? */, "", text)
	while (match(text, /"\$ref": *"[^"]*"/)) {
		ref = substr(text, RSTART, RLENGTH)
		sub(/"\$ref": *"/, "", ref)
		sub(/"$/, "", ref)
		out = out substr(text, 1, RSTART - 1) "\"$ref\": \"" \
		    inside(ref, self) "\""
		text = substr(text, RSTART + RLENGTH)
	}
	return pad "\"" self "\": " out text
}

BEGIN {
	for (i = 2; i < ARGC; i++) {
		files[i] = ARGV[i]
		ARGV[i] = ""
	}
}
$1 == "\"schemas/\":" {
	last = /,$/ ? "," : ""
	match($0, /^ */)
	pad = substr($0, 1, RLENGTH)
	for (i = 2; i < ARGC; i++)
		print schema(files[i], pad) (i < ARGC - 1 ? "," : last)
	found = 1
	next
}
{ print }
END { exit !found }
' "$@"
