/* projection_file: a projection that cannot be used leaves, and not for
 * ever. */
#include "tests/unit/projection_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#include "common/macros.h"
#include "store/projection_file.h"

static void
apply(uint64_t position)
{
	struct item item = fixture_item(position, "job:a", "job.log", "",
	    "{}", 0);

	begin();
	put_item(&item, 1000);
	commit();
}

static void
test_a_damaged_file_is_moved_aside(void **state UNUSED)
{
	char note[ERR_TEXT_MAX];
	struct err err;
	FILE *file;
	int i;

	for (i = 1; i < 200; i++)
		apply((uint64_t)i);
	projection_db_close(db);
	file = fopen(fixture_path("p.db"), "r+");
	assert_non_null(file);
	for (i = 0; i < 20000; i++)
		assert_true(fputc('x', file) == 'x');
	assert_int_equal(fclose(file), 0);
	db = projection_db_open(fixture_path("p.db"), note, &err);
	if (db == NULL)
		fail_msg("%s", err.text);
	assert_non_null(strstr(note, "moved to"));
	assert_int_equal(projection_db_state(db)->applied.number, 0);
}

static void
test_a_file_found_damaged_while_in_use_is_moved_aside_once(void **state
    UNUSED)
{
	char note[ERR_TEXT_MAX];
	struct err err;
	int i;

	apply(1);
	assert_int_equal(projection_file_suspect(fixture_path("p.db"), &err),
	    0);
	projection_db_close(db);
	for (i = 0; i < 2; i++) {
		db = projection_db_open(fixture_path("p.db"), note, &err);
		if (db == NULL)
			fail_msg("%s", err.text);
		assert_true((strstr(note, "while in use") != NULL) == (i == 0));
		assert_int_equal(projection_db_state(db)->applied.number,
		    i == 0 ? 0 : 2);
		apply(2);
		if (i == 0)
			projection_db_close(db);
	}
}

/* One of version 1 has items in a form that nothing reads any more. */
static void
test_a_file_of_another_version_is_moved_aside(void **state UNUSED)
{
	static const int versions[] = { -1, 1, PROJECTION_DB_VERSION + 1, 99 };
	char note[ERR_TEXT_MAX], sql[64];
	sqlite3 *raw;
	struct err err;

	for (size_t i = 0; i < NELEM(versions); i++) {
		projection_db_close(db);
		(void)snprintf(sql, sizeof(sql), "PRAGMA user_version = %d",
		    versions[i]);
		assert_int_equal(sql_open(&raw, fixture_path("p.db"),
		    SQL_READ_WRITE, sql, &err), 0);
		sql_close(raw);
		db = projection_db_open(fixture_path("p.db"), note, &err);
		assert_non_null(db);
		assert_non_null(strstr(note, "another version"));
		assert_non_null(strstr(note, "moved to"));
		assert_int_equal(projection_db_state(db)->applied.number, 0);
	}
}

static void
test_a_directory_that_is_not_there_is_an_error_not_damage(void **state UNUSED)
{
	char note[ERR_TEXT_MAX];
	struct err err = { 0 };

	assert_null(projection_db_open("/nonexistent/p.db", note, &err));
	assert_int_equal(err.code, EIO);
	assert_non_null(strstr(err.text, "/nonexistent/p.db"));
}

static void
touch(const char *name)
{
	FILE *file = fopen(fixture_path(name), "w");

	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
}

static bool
exists(const char *name)
{
	return access(fixture_path(name), F_OK) == 0;
}

static void
test_only_the_newest_of_what_was_moved_aside_stay(void **state UNUSED)
{
	static const char *const old[] = { "p.db.damaged-999",
		"p.db.damaged-999-wal", "p.db.damaged-999-shm",
		"p.db.damaged-1000", "p.db.damaged-1000-wal" };
	static const char *const kept[] = { "p.db.damaged-1001",
		"p.db.damaged-20000", "p.db.damaged-20000-shm",
		"p.db.damaged-1002", "p.db.damaged-", "p.db.damaged-7x",
		"p.db.damaged--5", "p.db.damaged-99999999999999999999",
		"q.db.damaged-1", "xp.db.damaged-1", "p.db", "p.db.damaged" };
	size_t i;

	for (i = 0; i < NELEM(old); i++)
		touch(old[i]);
	for (i = 0; i < NELEM(kept); i++)
		if (!exists(kept[i]))
			touch(kept[i]);
	assert_int_equal(projection_file_tidy(fixture_path("p.db")),
	    NELEM(old));
	for (i = 0; i < NELEM(old); i++)
		assert_false(exists(old[i]));
	for (i = 0; i < NELEM(kept); i++)
		assert_true(exists(kept[i]));
	assert_int_equal(projection_file_tidy(fixture_path("p.db")), 0);
}

static unsigned
count_aside(void)
{
	DIR *d = opendir(fixture_directory);
	const struct dirent *e;
	unsigned n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += strstr(e->d_name, ".damaged-") != NULL &&
		    strchr(e->d_name, '-') == strrchr(e->d_name, '-');
	(void)closedir(d);
	return n;
}

static void
test_a_start_keeps_no_more_of_them(void **state UNUSED)
{
	char note[ERR_TEXT_MAX];
	struct err err;
	unsigned i;

	for (i = 0; i < PROJECTION_FILE_KEPT + 2; i++) {
		assert_int_equal(projection_file_suspect(
		    fixture_path("p.db"), &err), 0);
		projection_db_close(db);
		/* Their names are milliseconds. */
		(void)poll(NULL, 0, 2);
		db = projection_db_open(fixture_path("p.db"), note, &err);
		assert_non_null(db);
		assert_non_null(strstr(note, "moved to"));
	}
	assert_int_equal(count_aside(), PROJECTION_FILE_KEPT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, \
	setup_projection, teardown_projection)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_damaged_file_is_moved_aside),
		TEST(test_a_file_found_damaged_while_in_use_is_moved_aside_once),
		TEST(test_a_file_of_another_version_is_moved_aside),
		TEST(test_a_directory_that_is_not_there_is_an_error_not_damage),
		TEST(test_only_the_newest_of_what_was_moved_aside_stay),
		TEST(test_a_start_keeps_no_more_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
