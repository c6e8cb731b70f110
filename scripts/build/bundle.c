/*
** bundle.c: compiles Lua files into one C table, at build time
** MIT licence, see LICENSE
**
** usage: bundle ROOT FILE...  (the C source goes to standard output)
** ROOT/multiprocessing/pool/init.lua becomes module "multiprocessing.pool".
** Debug information is kept: remote tracebacks need lines.
*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lauxlib.h"
#include "lua.h"

static int column;

static int write_bytes(lua_State *L, const void *p, size_t size, void *ud) {
  const unsigned char *byte = p;
  (void)L;
  (void)ud;
  for (size_t i = 0; i < size; i++) {
    printf("%u,", byte[i]);
    if (++column % 20 == 0)
      putchar('\n');
  }
  return 0;
}

/* "lua/a/b.lua" -> "a.b", "lua/a/init.lua" -> "a" */
static void module_name(char *out, size_t room, const char *path,
                        const char *root) {
  snprintf(out, room, "%s", path + strlen(root) + 1);
  char *dot = strrchr(out, '.');
  if (dot != NULL)
    *dot = '\0';
  char *init = strstr(out, "/init");
  if (init != NULL && init[5] == '\0')
    *init = '\0';
  for (char *c = out; *c != '\0'; c++) {
    if (*c == '/')
      *c = '.';
  }
}

static void bundle_file(lua_State *L, const char *path, int number) {
  if (luaL_loadfile(L, path) != LUA_OK) {
    fprintf(stderr, "bundle: %s\n", lua_tostring(L, -1));
    exit(EXIT_FAILURE);
  }
  printf("static const unsigned char code%d[] = {\n", number);
  column = 0;
  lua_dump(L, write_bytes, NULL, 0);
  printf("};\n");
  lua_pop(L, 1);
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  if (L == NULL || argc < 2)
    return EXIT_FAILURE;
  printf("/* made by scripts/build/bundle.c */\n#include \"bind/bundle.h\"\n");
  for (int i = 2; i < argc; i++)
    bundle_file(L, argv[i], i);
  printf("const struct mp_bundle mp_bundle[] = {\n");
  for (int i = 2; i < argc; i++) {
    char name[256];
    module_name(name, sizeof name, argv[i], argv[1]);
    printf("{\"%s\", code%d, sizeof code%d},\n", name, i, i);
  }
  printf("{0, 0, 0}};\n");
  lua_close(L);
  return EXIT_SUCCESS;
}
