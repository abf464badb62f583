// SPDX-License-Identifier: BSD-3-Clause
/* The only file of the test image `hello-world`: says hello, then its arguments and its input, one line each. */
#include <stdio.h>

int main(int argc, char **argv) {
  char line[256];
  puts("Hello from a static program!");
  for (int i = 1; i < argc; i++) {
    printf("argument %s\n", argv[i]);
  }
  while (fgets(line, sizeof line, stdin)) {
    printf("input %s", line);
  }
  return argc > 1 && argv[1][0] == '4' ? 42 : 0;
}
