/*
 * log_grace: the streams that have ended with their log open (contract 4):
 * which there are (open_logs), and their end when log_grace is over. Part of
 * stream. Process: gateway.
 *
 * Until when lines are taken the broker alone decides, and keeps to it whatever
 * is configured since. It is asked twice: at the start which logs are open,
 * since their ends may stand further back than a gateway reads; and, when by
 * this gateway's own reckoning the time of a log is over, whether it is. Its
 * stream has ended when the broker says so, and this gateway has read all that
 * the broker took. Without the broker nobody can say, and the end waits.
 */
#ifndef SLUICE_LOG_GRACE_H
#define SLUICE_LOG_GRACE_H

#include "common/conf.h"
#include "common/event.h"

#define LOG_GRACE_LOOK_MS  250     /* how often the clock is looked at */
#define LOG_GRACE_ASK_MS   2000    /* for an answer */
#define LOG_GRACE_AGAIN_MS 10000   /* at least as often as that about one */

struct gateway;
struct log_grace;

struct log_grace *log_grace_new(struct gateway *g);
void	log_grace_free(struct log_grace *l);
/* Called at a reload: of the new configuration log_grace is taken over, which
 * the broker takes, too. Of what is open the broker is asked again. */
void	log_grace_reload(struct log_grace *l, const struct conf *fresh);
/* Called with each heartbeat: whether the broker has told which logs are open;
 * else it is asked. */
bool	log_grace_knows(struct log_grace *l);
/* Events were lost to this gateway: what it knew may be over. */
void	log_grace_lost(struct log_grace *l);
/* Called for each event that may end its stream, with its record's time. */
void	log_grace_note(struct log_grace *l, const struct item *item,
	    int64_t time_unix_ms);
/* Called every LOG_GRACE_LOOK_MS. */
void	log_grace_look(struct log_grace *l);

#endif
