/*
 * journal_cmd: `sluicectl journal info|dump|verify [DIR]`: looks at a journal
 * directory by itself; no service needs to run. With --json one JSON object per
 * line. Findings go to standard output, damage to standard error.
 */
#ifndef SLUICE_JOURNAL_CMD_H
#define SLUICE_JOURNAL_CMD_H

#include <stdbool.h>

enum journal_verb { JOURNAL_INFO, JOURNAL_DUMP, JOURNAL_VERIFY };

struct journal_ask {
	enum journal_verb verb;
	const char	*directory;   /* NULL: none was named */
	bool		 json;
};

/* argv[0] is "journal"; what it does not name stays in *ret. -1 after the usage
 * was printed. */
int	journal_cmd_parse(int argc, char **argv, struct journal_ask *ret);
/* The exit status: 0, or 1 (damage, or the directory cannot be read). */
int	journal_cmd(const struct journal_ask *ask);

#endif
