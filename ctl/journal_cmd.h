/*
 * journal_cmd: `sluicectl journal info|dump|verify [DIR]`: looks at a journal
 * directory by itself; no service needs to run. DIR defaults to the journal
 * of the default state directory. With --json one JSON object per line.
 * Exit status 0, 1 (damage, or the directory cannot be read), 2 (usage).
 */
#ifndef SLUICE_JOURNAL_CMD_H
#define SLUICE_JOURNAL_CMD_H

/* argv[0] is "journal". Returns the exit status. */
int	journal_cmd(int argc, char **argv);

#endif
