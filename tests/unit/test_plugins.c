/* Who runs a plugin, who shares its run, and how often one that fails runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/exec_credential.h"
#include "common/macros.h"
#include "supervisor/plugins.h"
#include "supervisor/spawn.h"

static char prod[] = "prod", context[] = "ctx";
static const struct conf_cluster cluster = { .id = prod,
	.context = context };

struct answers {
	unsigned	n;
	char		titles[8][32];
	uint64_t	ids[8];
	char		error[256];
};

static struct answers answers;
static struct event_base *base;
static struct plugins *plugins;

static void
take_answer(const char *title, const char *id_of, uint64_t id, int fd,
    void *arg)
{
	struct exec_credential c;
	struct err err = { 0 };

	assert_ptr_equal(arg, &answers);
	assert_true(id_of[0] != '\0');
	assert_true(answers.n < NELEM(answers.ids));
	(void)snprintf(answers.titles[answers.n],
	    sizeof(answers.titles[0]), "%s", title);
	answers.ids[answers.n++] = id;
	if (exec_credential_read(fd, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_non_null(c.error);
	(void)snprintf(answers.error, sizeof(answers.error), "%s", c.error);
	exec_credential_free(&c);
}

static void
begin(const char *binary)
{
	memset(&answers, 0, sizeof(answers));
	base = event_base_new();
	assert_non_null(base);
	plugins = plugins_new(base, binary, take_answer, &answers);
}

static void
end(void)
{
	plugins_free(plugins);
	event_base_free(base);
}

/* Waits for the one child there is. */
static void
reap(void)
{
	int status;
	pid_t pid = wait(&status);

	assert_true(pid > 0);
	assert_true(plugins_owns(plugins, pid));
	assert_true(plugins_reaped(plugins, pid, status));
	assert_false(plugins_owns(plugins, pid));
}

static void
test_askers_of_one_cluster_share_a_run_and_its_failure(void **state)
{
	(void)state;
	begin("/bin/false");
	plugins_ask(plugins, "watcher/prod", &cluster, "/k", 0);
	plugins_ask(plugins, "health", &cluster, "/k", 0);
	plugins_ask(plugins, "health", &cluster, "/k", 0);
	assert_int_equal(answers.n, 0);
	reap();
	assert_int_equal(answers.n, 2);
	assert_string_equal(answers.titles[0], "watcher/prod");
	assert_string_equal(answers.titles[1], "health");
	assert_int_equal(answers.ids[0], answers.ids[1]);
	assert_non_null(strstr(answers.error, "exit status 1"));
	/* Asked again at once it does not run again. */
	plugins_ask(plugins, "health", &cluster, "/k", 0);
	assert_int_equal(answers.n, 3);
	assert_int_equal(answers.ids[2], answers.ids[0]);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	end();
}

static void
test_another_kubeconfig_is_another_credential(void **state)
{
	(void)state;
	begin("/bin/false");
	plugins_ask(plugins, "health", &cluster, "/k", 0);
	reap();
	plugins_ask(plugins, "health", &cluster, "/other", 0);
	assert_int_equal(answers.n, 1);
	reap();
	assert_int_equal(answers.n, 2);
	assert_true(answers.ids[1] > answers.ids[0]);
	end();
}

/* The watcher that asked for the old one is told what the new one is for. */
static void
test_a_question_for_another_context_begins_another_run(void **state)
{
	static char other_context[] = "other";
	struct conf_cluster other = cluster;

	(void)state;
	begin("/bin/false");
	plugins_ask(plugins, "watcher/prod", &cluster, "/k", 0);
	other.context = other_context;
	plugins_ask(plugins, "health", &other, "/k", 0);
	reap();
	assert_int_equal(answers.n, 0);
	reap();
	assert_int_equal(answers.n, 2);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	end();
}

static void
test_after_a_reload_nothing_known_is_an_answer(void **state)
{
	(void)state;
	begin("/bin/false");
	plugins_ask(plugins, "health", &cluster, "/k", 0);
	reap();
	plugins_forget(plugins);
	plugins_ask(plugins, "health", &cluster, "/k", 0);
	assert_int_equal(answers.n, 1);
	/* What runs was begun before the second reload. */
	plugins_forget(plugins);
	reap();
	assert_int_equal(answers.n, 1);
	reap();
	assert_int_equal(answers.n, 2);
	end();
}

static void
test_no_binary_and_no_kubeconfig_are_answered_too(void **state)
{
	(void)state;
	begin(NULL);
	plugins_ask(plugins, "health", &cluster, "/k", 0);
	assert_int_equal(answers.n, 1);
	assert_non_null(strstr(answers.error, "sluice-exec"));
	plugins_ask(plugins, "health", &cluster, NULL, 0);
	assert_int_equal(answers.n, 2);
	assert_non_null(strstr(answers.error, "no kubeconfig"));
	end();
}

/* The others' turn comes when one has ended. */
static void
test_only_a_few_run_at_one_time(void **state)
{
	char names[PLUGINS_RUNNING_MAX + 2][8];
	struct conf_cluster other = cluster;
	pid_t pids[8];
	size_t i;

	(void)state;
	begin("/bin/false");
	for (i = 0; i < NELEM(names); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "c%zu", i);
		other.id = names[i];
		plugins_ask(plugins, "x", &other, "/k", 0);
	}
	/* Ended or not, nobody has reaped them yet. */
	assert_int_equal(spawn_children(pids, NELEM(pids)),
	    PLUGINS_RUNNING_MAX);
	for (i = 0; i < NELEM(names); i++)
		reap();
	assert_int_equal(answers.n, NELEM(names));
	end();
}

static void
ask_for(const char *id)
{
	struct conf_cluster other = cluster;
	char name[8];

	(void)snprintf(name, sizeof(name), "%s", id);
	other.id = name;
	plugins_ask(plugins, id, &other, "/k", 0);
}

/* Reaps the newest child (pids grow, or wrap once in a blue moon). */
static void
reap_newest(void)
{
	pid_t pids[8], newest = 0;
	size_t n = spawn_children(pids, NELEM(pids));
	int status;

	for (size_t i = 0; i < n; i++)
		newest = MAX(newest, pids[i]);
	assert_int_equal(waitpid(newest, &status, 0), newest);
	assert_true(plugins_reaped(plugins, newest, status));
}

/* "0" is known longest, but asks again after "late". */
static void
test_who_waits_longest_runs_next(void **state)
{
	static const char *const names[] = { "1", "2", "3", "4", "late", "0" };

	(void)state;
	begin("/bin/false");
	ask_for("0");
	reap();
	plugins_forget(plugins);
	for (size_t i = 0; i < NELEM(names); i++)
		ask_for(names[i]);
	reap();
	reap_newest();
	assert_int_equal(answers.n, 3);
	assert_string_equal(answers.titles[2], "late");
	for (size_t i = 0; i < PLUGINS_RUNNING_MAX; i++)
		reap();
	assert_int_equal(answers.n, NELEM(names) + 1);
	end();
}

static void
test_without_a_descriptor_the_askers_wait_for_one(void **state)
{
	struct rlimit old, none = { 0 };

	(void)state;
	begin("/bin/false");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	plugins_ask(plugins, "health", &cluster, "/k", 0);
	plugins_ask(plugins, "watcher/prod", &cluster, "/k", 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(answers.n, 0);
	/* Their timer runs it; so does whoever asks next. */
	assert_int_equal(event_base_get_num_events(base,
	    EVENT_BASE_COUNT_ADDED), 1);
	plugins_ask(plugins, "health", &cluster, "/k", 0);
	reap();
	assert_int_equal(answers.n, 2);
	assert_int_equal(event_base_get_num_events(base,
	    EVENT_BASE_COUNT_ADDED), 0);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_askers_of_one_cluster_share_a_run_and_its_failure),
		cmocka_unit_test(
		    test_another_kubeconfig_is_another_credential),
		cmocka_unit_test(
		    test_a_question_for_another_context_begins_another_run),
		cmocka_unit_test(
		    test_after_a_reload_nothing_known_is_an_answer),
		cmocka_unit_test(
		    test_no_binary_and_no_kubeconfig_are_answered_too),
		cmocka_unit_test(test_only_a_few_run_at_one_time),
		cmocka_unit_test(test_who_waits_longest_runs_next),
		cmocka_unit_test(
		    test_without_a_descriptor_the_askers_wait_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
