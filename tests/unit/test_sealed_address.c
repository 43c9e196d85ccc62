/* sealed_address: connect() of this program goes where it was sealed to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/sealed_address.h"

static char directory[] = "/tmp/sl-seal-XXXXXX";

static struct sockaddr_un
address(const char *name)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/%s", directory,
	    name);
	return to;
}

static int
listener(const char *name)
{
	struct sockaddr_un at = address(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static int
try_to(const struct sockaddr_un *to, size_t n)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), code = 0;

	if (connect(fd, (const struct sockaddr *)to, (socklen_t)n) != 0)
		code = errno;
	assert_int_equal(close(fd), 0);
	return code;
}

static void
test_before_it_is_sealed_connect_goes_anywhere(void **state)
{
	struct sockaddr_un a = address("a"), none = address("none");

	(void)state;
	assert_int_equal(try_to(&a, sizeof(a)), 0);
	assert_int_equal(try_to(&none, sizeof(none)), ENOENT);
}

static void
test_a_path_that_no_socket_can_have_is_refused(void **state)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	struct err err = { 0 };

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(sealed_address_add(path, &err), -1);
	assert_non_null(strstr(err.text, "too long"));
	assert_int_equal(sealed_address_count(), 0);
}

static void
test_sealed_it_goes_to_these_addresses_and_no_other(void **state)
{
	struct sockaddr_un a = address("a"), b = address("b");
	struct sockaddr_un c = address("c"), cut = address("a");
	size_t used = offsetof(struct sockaddr_un, sun_path) +
	    strlen(a.sun_path);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(sealed_address_add(a.sun_path, &err), 0);
	assert_int_equal(sealed_address_add(b.sun_path, &err), 0);
	assert_int_equal(sealed_address_own(a.sun_path, &err), 0);
	assert_int_equal(sealed_address_seal(&err), 0);
	assert_int_equal(sealed_address_add(c.sun_path, &err), -1);
	assert_int_equal(sealed_address_count(), 2);
	assert_int_equal(try_to(&a, sizeof(a)), 0);
	assert_int_equal(try_to(&b, sizeof(b)), 0);
	assert_int_equal(try_to(&a, used + 1), 0);
	assert_int_equal(try_to(&c, sizeof(c)), EPERM);
	/* No end within its length; no path; another family; nothing. */
	assert_int_equal(try_to(&a, used), EPERM);
	assert_int_equal(try_to(&a, sizeof(a.sun_family)), EPERM);
	cut.sun_path[0] = '\0';
	assert_int_equal(try_to(&cut, sizeof(cut)), EPERM);
	a.sun_family = AF_INET;
	assert_int_equal(try_to(&a, sizeof(a)), EPERM);
	assert_int_equal(try_to(&a, 0), EPERM);
}

static void
test_the_sealed_page_is_the_one_the_filter_keeps_and_cannot_be_written(
    void **state)
{
	uint64_t first = sealed_address_at(0);
	int ends[2];

	(void)state;
	assert_true(first >= SEALED_BEGIN && first < SEALED_END);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(read(ends[0], (void *)(uintptr_t)first, 1), -1);
	assert_int_equal(errno, EFAULT);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void
test_sealed_it_removes_its_own_socket_and_nothing_else(void **state)
{
	struct sockaddr_un own = address("a"), other = address("b");
	uint64_t at = sealed_address_own_path();
	struct err err = { 0 };

	(void)state;
	assert_int_equal(sealed_address_own(other.sun_path, &err), -1);
	assert_true(at >= SEALED_BEGIN && at < SEALED_END);
	assert_int_equal(unlink(other.sun_path), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(access(other.sun_path, F_OK), 0);
	assert_int_equal(unlink(own.sun_path), 0);
	assert_int_equal(access(own.sun_path, F_OK), -1);
}

static void
remove_socket(const char *name, int fd)
{
	struct sockaddr_un at = address(name);

	(void)close(fd);
	(void)syscall(SYS_unlink, at.sun_path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_before_it_is_sealed_connect_goes_anywhere),
		cmocka_unit_test(
		    test_a_path_that_no_socket_can_have_is_refused),
		cmocka_unit_test(
		    test_sealed_it_goes_to_these_addresses_and_no_other),
		cmocka_unit_test(
		    test_the_sealed_page_is_the_one_the_filter_keeps_and_cannot_be_written),
		cmocka_unit_test(
		    test_sealed_it_removes_its_own_socket_and_nothing_else),
	};
	int a, b, c, failed;

	if (mkdtemp(directory) == NULL)
		return 1;
	a = listener("a");
	b = listener("b");
	c = listener("c");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_socket("a", a);
	remove_socket("b", b);
	remove_socket("c", c);
	(void)rmdir(directory);
	return failed;
}
