/*
 * sluice-exec: runs the credential plugin of one context of the operator's own
 * kubeconfig and leaves what it gave, or why it gave nothing, in a memfd. A
 * child of the supervisor that lives for this one run: whatever a plugin
 * brings along stays away from processes that last. Who asked for it names a
 * cluster only: the command comes from the kubeconfig, which is read here.
 *
 * argv: the kubeconfig's files (as in KUBECONFIG), the context. Fd 3: the
 * memfd (common/exec_credential.h). Exit status 0: it is written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/kube_digest.h"
#include "common/kube_exec.h"
#include "common/kubeconfig.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "exec/plugin_answer.h"
#include "exec/plugin_info.h"
#include "exec/plugin_run.h"
#include "exec/plugin_words.h"

#define RESULT_FD 3

extern char **environ;

#define REMEDY "; run it by hand as the user sluice runs as"

/* Why a run that is over gave nothing. */
static int
failed(const struct kube_exec *exec, const struct plugin_result *r,
    struct err *err)
{
	struct slice errors = { (const char *)r->errors.data, r->errors.len };
	struct slice output = { (const char *)r->output.data, r->output.len };
	char words[PLUGIN_WORDS_MAX], how[64];

	plugin_words(errors, output, words);
	if (r->late)
		(void)snprintf(how, sizeof(how), "did not end within %d s",
		    PLUGIN_RUN_MS / 1000);
	else if (r->flood)
		(void)snprintf(how, sizeof(how), "printed more than %u bytes",
		    PLUGIN_RUN_OUTPUT_MAX);
	else if (WIFSIGNALED(r->status))
		(void)snprintf(how, sizeof(how), "was ended by signal %d",
		    WTERMSIG(r->status));
	else
		(void)snprintf(how, sizeof(how), "failed, exit status %d",
		    WEXITSTATUS(r->status));
	return err_set(err, "the exec plugin %.120s %s%s%s" REMEDY,
	    exec->command, how, words[0] != '\0' ? ": " : "", words);
}

static int
take(const struct kube_exec *exec, const struct plugin_result *r,
    struct exec_credential *ret, struct err *err)
{
	struct err e = { 0 };

	if (plugin_answer_parse((const char *)r->output.data, r->output.len,
	    exec->api_version, ret, &e) == 0) {
		if (plugin_answer_limit(ret, wall_unix_ms(), &e) == 0)
			return 0;
		exec_credential_free(ret);
	}
	return err_set(err, "the exec plugin %.120s is of no use: %.250s"
	    REMEDY, exec->command, e.text);
}

static int
run(const struct kube_credentials *cred, struct exec_credential *ret,
    struct err *err)
{
	const char *path = getenv("PATH");
	char program[PLUGIN_INFO_PATH_MAX];
	struct kube_exec *exec = cred->exec;
	struct plugin_result result;
	char **argv, **env;
	int rc;

	if (plugin_info_command(exec, path != NULL ? path : "", program,
	    err) < 0)
		return -1;
	argv = xcalloc(exec->n_args + 2, sizeof(char *));
	argv[0] = exec->command;
	for (size_t i = 0; i < exec->n_args; i++)
		argv[i + 1] = exec->args[i];
	env = plugin_info_environment(cred, environ);
	rc = plugin_run(program, argv, env, PLUGIN_RUN_MS, &result, err);
	free(argv);
	plugin_info_free(env);
	if (rc < 0)
		return -1;
	if (result.late || result.flood || result.status != 0)
		rc = failed(exec, &result, err);
	else
		rc = take(exec, &result, ret, err);
	plugin_run_free(&result);
	return rc;
}

static int
fetch(const char *paths, const char *context, struct exec_credential *ret,
    struct err *err)
{
	struct kube_credentials cred;
	int rc;

	if (kubeconfig_load(paths, context, &cred, err) < 0)
		return -1;
	if (cred.exec == NULL) {
		rc = err_set(err, "%s has no exec plugin (any more)",
		    cred.origin);
	} else {
		rc = run(&cred, ret, err);
		kube_digest(&cred, ret->digest);
	}
	kube_credentials_free(&cred);
	return rc;
}

int
main(int argc, char **argv)
{
	struct exec_credential c = { 0 };
	struct err err = { 0 };
	int rc;

	if (argc == 2 && strcmp(argv[1], "-V") == 0) {
		(void)printf("sluice-exec %s\n", SLUICE_VERSION);
		return 0;
	}
	if (argc != 3) {
		(void)fprintf(stderr, "sluice-exec is started by sluiced, not "
		    "by hand: see sluiced(8)\n");
		return EX_USAGE;
	}
	/* No core file, and nobody of the same user looks in. The plugin gets
	 * its own flag back with its exec. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (fetch(argv[1], argv[2], &c, &err) < 0)
		c.error = xstrdup(err.text);
	rc = exec_credential_write(RESULT_FD, &c, &err);
	if (rc < 0)
		(void)fprintf(stderr, "sluice-exec: %s\n", err.text);
	exec_credential_free(&c);
	return rc < 0 ? 1 : 0;
}
