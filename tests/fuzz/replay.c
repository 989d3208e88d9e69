/* A main for a fuzzer where there is no libFuzzer: runs it once on each file that is named, or that
 * lies in a folder that is named. */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) {
    perror(path);
    if (file) fclose(file);
    return 0;
  }
  long size = ftell(file);
  rewind(file);
  uint8_t *data = size < 0 ? NULL : malloc(size ? (size_t)size : 1);
  int read = data && fread(data, 1, (size_t)size, file) == (size_t)size;
  fclose(file);
  if (read) LLVMFuzzerTestOneInput(data, (size_t)size);
  free(data);
  return read;
}

int main(int argc, char **argv) {
  int files = 0;
  for (int i = 1; i < argc; i++) {
    DIR *folder = opendir(argv[i]);
    if (!folder) {
      files += replay(argv[i]);
      continue;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
      char path[4096];
      if (entry->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
      files += replay(path);
    }
    closedir(folder);
  }
  printf("%d files\n", files);
  return files == 0; /* no seeds: the test would say nothing */
}
