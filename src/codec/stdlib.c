/*
** stdlib.c: what belongs to Lua's standard library
** MIT licence, see LICENSE
**
** The names of 5.4: anything else in these tables, and any Lua function
** there, was put there by the user and travels by value.
*/

#include "codec/stdlib.h"

#include <string.h>

static const char *const base[] = {
    "assert", "collectgarbage", "dofile", "error", "getmetatable", "ipairs",
    "load", "loadfile", "next", "pairs", "pcall", "print", "rawequal",
    "rawget", "rawlen", "rawset", "require", "select", "setmetatable",
    "tonumber", "tostring", "type", "warn", "xpcall", "_VERSION", NULL};
static const char *const package_[] = {
    "config", "cpath", "loaded", "loadlib", "path", "preload", "searchers",
    "searchpath", NULL};
static const char *const coroutine_[] = {
    "close", "create", "isyieldable", "resume", "running", "status", "wrap",
    "yield", NULL};
static const char *const string_[] = {
    "byte", "char", "dump", "find", "format", "gmatch", "gsub", "len",
    "lower", "match", "pack", "packsize", "rep", "reverse", "sub", "unpack",
    "upper", NULL};
static const char *const table_[] = {
    "concat", "insert", "move", "pack", "remove", "sort", "unpack", NULL};
static const char *const math_[] = {
    "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor",
    "fmod", "huge", "log", "max", "maxinteger", "min", "mininteger", "modf",
    "pi", "rad", "random", "randomseed", "sin", "sqrt", "tan", "tointeger",
    "type", "ult",
    /* with LUA_COMPAT_MATHLIB */
    "cosh", "sinh", "tanh", "pow", "frexp", "ldexp", "log10", NULL};
static const char *const io_[] = {
    "close", "flush", "input", "lines", "open", "output", "popen", "read",
    "stderr", "stdin", "stdout", "tmpfile", "type", "write", NULL};
static const char *const os_[] = {
    "clock", "date", "difftime", "execute", "exit", "getenv", "remove",
    "rename", "setlocale", "time", "tmpname", NULL};
static const char *const debug_[] = {
    "debug", "gethook", "getinfo", "getlocal", "getmetatable", "getregistry",
    "getupvalue", "getuservalue", "setcstacklimit", "sethook", "setlocal",
    "setmetatable", "setupvalue", "setuservalue", "traceback", "upvalueid",
    "upvaluejoin", NULL};
static const char *const utf8_[] = {
    "char", "charpattern", "codepoint", "codes", "len", "offset", NULL};

const struct mp_library mp_libraries[] = {
    {"_G", base},           {"package", package_}, {"coroutine", coroutine_},
    {"string", string_},    {"table", table_},     {"math", math_},
    {"io", io_},            {"os", os_},           {"debug", debug_},
    {"utf8", utf8_},        {NULL, NULL},
};

int mp_library_has(const struct mp_library *lib, const char *field) {
  for (const char *const *f = lib->fields; *f != NULL; f++)
    if (strcmp(*f, field) == 0)
      return 1;
  return 0;
}
