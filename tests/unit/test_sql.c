#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <fcntl.h>

#include "store/sql.h"

static const char *const statements[] = { "SELECT a FROM t" };

/* A file with the table the statements want. */
static sqlite3 *
open_file(void)
{
	struct err err;
	sqlite3 *db;

	if (sql_open(&db, fixture_path("s.db"), SQL_READ_WRITE,
	    "CREATE TABLE IF NOT EXISTS t(a)", &err) == -1)
		fail_msg("%s", err.text);
	return db;
}

/* From now on nothing can be read from the open file. */
static void
break_reads(const char *path)
{
	int writes_only = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char link[64], name[256];
	int fd, broken = 0;
	ssize_t n;

	for (fd = 3; fd < 64; fd++) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, name, sizeof(name) - 1);
		if (n <= 0)
			continue;
		name[n] = '\0';
		if (strcmp(name, path) != 0)
			continue;
		assert_int_equal(dup2(writes_only, fd), fd);
		broken++;
	}
	(void)close(writes_only);
	assert_int_equal(broken, 1);
}

static void
test_a_read_that_fails_while_preparing_is_not_damage(void **state UNUSED)
{
	sqlite3_stmt *stmts[1];
	sqlite3 *db;
	struct err err = { 0 };

	sql_close(open_file());
	assert_int_equal(sql_open(&db, fixture_path("s.db"), SQL_READ_WRITE,
	    "", &err), 0);
	break_reads(fixture_path("s.db"));
	assert_int_equal(sql_prepare_all(db, statements, stmts, 1, &err), -1);
	assert_int_equal(err.code, EIO);
	assert_non_null(strstr(err.text, "s.db"));
	sql_close(db);
}

static void
test_a_statement_that_names_what_is_not_there_is_damage(void **state UNUSED)
{
	static const char *const foreign[] = { "SELECT a FROM elsewhere" };
	sqlite3_stmt *stmts[1];
	sqlite3 *db = open_file();
	struct err err = { 0 };

	assert_int_equal(sql_prepare_all(db, statements, stmts, 1, &err), 0);
	assert_int_equal(sql_prepare_all(db, foreign, stmts, 1, &err), -1);
	assert_int_equal(err.code, EUCLEAN);
	sql_close(db);
}

static void
test_what_cannot_be_opened_or_written_names_the_remedy(void **state UNUSED)
{
	struct err err = { 0 };
	sqlite3 *db;

	assert_int_equal(sql_open(&db, fixture_directory, SQL_READ_WRITE, "",
	    &err), -1);
	assert_int_equal(err.code, EIO);
	assert_non_null(strstr(err.text, "is it a file"));
	sql_close(open_file());
	assert_int_equal(sql_open(&db, fixture_path("s.db"), SQL_READ_ONLY,
	    "", &err), 0);
	assert_int_equal(sql_exec(db, "DELETE FROM t", &err), -1);
	assert_int_equal(err.code, EIO);
	assert_non_null(strstr(err.text, "may Sluice's user write there?"));
	sql_close(db);
}

static void
test_tables_in_the_way_of_ours_are_damage(void **state UNUSED)
{
	sqlite3 *db = open_file();
	struct err err = { 0 };

	assert_int_equal(sql_create(db, "CREATE TABLE t(a)", &err), -1);
	assert_int_equal(err.code, EUCLEAN);
	sql_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, \
	fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_read_that_fails_while_preparing_is_not_damage),
		TEST(test_a_statement_that_names_what_is_not_there_is_damage),
		TEST(test_what_cannot_be_opened_or_written_names_the_remedy),
		TEST(test_tables_in_the_way_of_ours_are_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
