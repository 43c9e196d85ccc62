#include "gateway/api_data.h"

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

EMBED(api_data_openapi, "openapi.json");
EMBED(api_data_asyncapi, "asyncapi.json");
