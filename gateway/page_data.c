#include "gateway/page_data.h"

#define EMBED(name, file)					\
	__asm__(						\
	    ".pushsection .rodata\n"				\
	    ".globl " #name "\n"				\
	    ".globl " #name "_end\n"				\
	    #name ":\n"						\
	    ".incbin \"" file "\"\n"				\
	    #name "_end:\n"					\
	    ".byte 0\n"						\
	    ".popsection\n")

EMBED(page_data_index, "gateway/page/index.html");
EMBED(page_data_script, "gateway/page/app.js");
EMBED(page_data_style, "gateway/page/style.css");
