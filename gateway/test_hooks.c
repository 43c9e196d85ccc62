#include "gateway/test_hooks.h"

#ifdef TEST_HOOKS

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "gateway/gateway.h"
#include "gateway/sandbox_probe.h"

void
test_hooks_started(const struct gateway *g)
{
	const char *directory = getenv("SLUICE_TEST_SANDBOX");

	if (directory != NULL)
		sandbox_probe(&g->role->conf, g->journal, directory);
}

bool
test_hooks_has_bug(const char *name)
{
	static const char *wanted;
	static bool told;

	if (wanted == NULL)
		wanted = getenv("SLUICE_TEST_BUG");
	if (wanted == NULL)
		wanted = "";
	if (strcmp(wanted, name) != 0)
		return false;
	if (!told)
		log_warn("the bug %s of a test strikes", name);
	told = true;
	return true;
}

#endif
