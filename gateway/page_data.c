#include "gateway/page_data.h"

#include "common/macros.h"

#define EMBED(name, file)					\
	__asm__(						\
	    ".pushsection .rodata\n"				\
	    #name ":\n"						\
	    ".globl " #name "\n"				\
	    ".globl " #name "_end\n"				\
	    ".incbin \"gateway/page/" file "\"\n"		\
	    #name "_end:\n"					\
	    ".byte 0\n"						\
	    ".popsection\n");					\
	extern const char name[], name##_end[]

#define HTML   "text/html; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define STYLE  "text/css; charset=utf-8"

EMBED(page_data_index, "index.html");
EMBED(page_data_style, "style.css");
EMBED(page_data_app, "app.js");
EMBED(page_data_clusters, "clusters.js");
EMBED(page_data_dom, "dom.js");
EMBED(page_data_objects, "objects.js");
EMBED(page_data_runs, "runs.js");
EMBED(page_data_stream, "stream.js");
EMBED(page_data_token, "token.js");

#define FILE(what, file, type) { file, type, page_data_##what,		\
	page_data_##what##_end }

const struct page_data page_data[] = {
	FILE(index, "", HTML),
	FILE(style, "style.css", STYLE),
	FILE(app, "app.js", SCRIPT),
	FILE(clusters, "clusters.js", SCRIPT),
	FILE(dom, "dom.js", SCRIPT),
	FILE(objects, "objects.js", SCRIPT),
	FILE(runs, "runs.js", SCRIPT),
	FILE(stream, "stream.js", SCRIPT),
	FILE(token, "token.js", SCRIPT),
};
const size_t page_data_n = NELEM(page_data);
