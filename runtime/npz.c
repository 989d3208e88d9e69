#include "runtime/array.h"
#include "runtime/zip.h"

#include <stdio.h>
#include <string.h>

static bool is_named(const dlrt_zip_member *member, const char *name) {
  size_t length = strlen(name);
  return member->name_length == length + 4 && memcmp(member->name, name, length) == 0 &&
         memcmp(member->name + length, ".npy", 4) == 0;
}

static void add_name(char *names, size_t room, const dlrt_zip_member *member) {
  size_t used = strlen(names), length = member->name_length;
  if (length > 4 && memcmp(member->name + length - 4, ".npy", 4) == 0) length -= 4;
  snprintf(names + used, room - used, "%s%.*s", used ? ", " : "", length > 60 ? 60 : (int)length,
           member->name);
}

dlrt_status dlrt_npz_read(const char *path, dlrt_file *file, const char *name, dlrt_array *array,
                          dlrt_error *error) {
  dlrt_zip zip;
  dlrt_zip_member member, chosen = {0};
  char names[160] = "";
  int64_t count = 0;
  dlrt_status status = dlrt_zip_open(path, file, &zip, error);
  for (size_t at = 0; !status; count++) {
    status = dlrt_zip_next(path, &zip, &at, &member, error);
    if (status || !member.name) break;
    if (is_named(&member, name) || (count == 0 && zip.count == 1)) chosen = member;
    add_name(names, sizeof names, &member);
  }
  if (!status && !chosen.name)
    status = dlrt_fail(error, DLRT_BAD_FILE, "%.200s: no array '%.60s'; it has %.150s", path, name,
                       *names ? names : "none");
  dlrt_file content = {0};
  if (!status) status = dlrt_zip_unpack(path, &chosen, &content, error);
  if (status) return status;
  status = dlrt_npy_read(path, &content, array, error);
  if (status) {
    dlrt_file_close(&content);
    return status;
  }
  if (array->keep.kind == DLRT_BORROWED && array->keep.data) {
    array->keep = *file; /* the array is a part of the archive */
    *file = (dlrt_file){0};
  }
  return DLRT_OK;
}
