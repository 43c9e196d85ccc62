/*
 * jose_quiet: libjose's context, which without one writes what it finds wrong
 * to stderr: whatever it says of a key or a token is told to nobody.
 */
#ifndef SLUICE_JOSE_QUIET_H
#define SLUICE_JOSE_QUIET_H

#include <jose/cfg.h>

/* To be given to jose_cfg_decref; aborts without memory. */
jose_cfg_t	*jose_quiet_cfg(void);

#endif
