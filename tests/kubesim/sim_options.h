/*
 * sim_options: the command line of kubesim. It ends the process when it is
 * wrong (78 or 64) or asks for help.
 */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "tests/kubesim/sim.h"

/* Texts point into argv; the token is NULL when none was given. */
void	sim_options_parse(struct sim_options *o, int argc, char **argv);

#endif
