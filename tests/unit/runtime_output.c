/* Files that are written: where a file without a name cannot be given one, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/file.h"
#include "tests/unit/runtime_folder.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static dlrt_error error;
static int refusal, refused; /* what linkat says, if not 0, and how often it was asked */
static int full;             /* what pread says */

/* In place of libc's. */
int linkat(int from_folder, const char *from, int folder_of, const char *to, int flags) {
  (void)from_folder, (void)folder_of, (void)flags;
  refused++;
  errno = refusal;
  return refusal ? -1 : link(from, to);
}
ssize_t pread(int file, void *to, size_t size, off_t at) {
  errno = full;
  return full || lseek(file, at, SEEK_SET) < 0 ? -1 : read(file, to, size);
}

static const char *path(void) {
  return in_folder("numbers");
}

static dlrt_status write_numbers(size_t count, dlrt_status given) {
  dlrt_output output;
  dlrt_status status = dlrt_output_open(path(), &output, &error);
  for (size_t i = 0; i < count && !status; i++)
    status = dlrt_output_write(&output, &i, sizeof i, &error);
  return dlrt_output_close(&output, status ? status : given, &error);
}

static void expect_numbers(size_t count) {
  dlrt_file file;
  assert_int_equal(dlrt_file_open(path(), &file, &error), DLRT_OK);
  assert_int_equal(file.size, count * sizeof count);
  for (size_t i = 0; i < count; i++) assert_memory_equal(file.data + i * sizeof i, &i, sizeof i);
  dlrt_file_close(&file);
}

static void expect_nothing_left(void) {
  char *temporary = dlrt_output_temporary(path());
  assert_int_not_equal(access(temporary, F_OK), 0);
  free(temporary);
}

static void copies_what_cannot_be_named(void **state) {
  (void)state;
  static const int refusals[] = {EPERM, ENOENT, EXDEV, EACCES};
  static const size_t counts[] = {0, 5, 100000};
  for (size_t i = 0; i < 4; i++)
    for (size_t k = 0; k < 3; k++) {
      refusal = refusals[i], refused = 0;
      assert_int_equal(write_numbers(counts[k], DLRT_OK), DLRT_OK);
      if (access("/proc/self/fd", X_OK) == 0) assert_true(refused > 0);
      expect_numbers(counts[k]);
      expect_nothing_left();
    }
}

static void keeps_who_may_read(void **state) {
  (void)state;
  struct stat about;
  refusal = EPERM;
  assert_int_equal(write_numbers(3, DLRT_OK), DLRT_OK);
  assert_int_equal(chmod(path(), 0640), 0);
  assert_int_equal(write_numbers(4, DLRT_OK), DLRT_OK);
  assert_int_equal(stat(path(), &about), 0);
  assert_int_equal(about.st_mode & 0777, 0640);
  expect_numbers(4);
}

static void keeps_the_old_file_on_failures(void **state) {
  (void)state;
  refusal = EPERM;
  assert_int_equal(write_numbers(6, DLRT_OK), DLRT_OK);
  assert_int_equal(write_numbers(7, DLRT_NO_MEMORY), DLRT_NO_MEMORY);
  full = EIO;
  assert_int_equal(write_numbers(8, DLRT_OK), DLRT_NO_SPACE);
  full = 0;
  expect_numbers(6);
  expect_nothing_left();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(copies_what_cannot_be_named),
                                     cmocka_unit_test(keeps_who_may_read),
                                     cmocka_unit_test(keeps_the_old_file_on_failures)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
