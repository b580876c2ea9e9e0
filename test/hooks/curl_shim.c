// curl_shim.c: so much of libcurl's easy interface as clients_test.lua needs. curl_easy_perform
// blocks.
#include <curl/curl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char* data;
    size_t size;
};

static size_t append(char* data, size_t one, size_t size, void* to) {
    struct text* text = to;
    char* larger = realloc(text->data, text->size + size);
    if (larger == NULL) return 0;
    memcpy(larger + text->size, data, one * size);
    text->data = larger;
    text->size += size;
    return size;
}

// get(url) -> status, body; or nil, message
static int get(lua_State* L) {
    const char* url = luaL_checkstring(L, 1);
    struct text body = {NULL, 0};
    long status = 0;
    CURL* curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK) {
        free(body.data);
        lua_pushnil(L);
        lua_pushstring(L, curl_easy_strerror(code));
        return 2;
    }
    lua_pushinteger(L, status);
    lua_pushlstring(L, body.data, body.size);
    free(body.data);
    return 2;
}

int luaopen_curl_shim(lua_State* L);
int luaopen_curl_shim(lua_State* L) {
    const luaL_Reg functions[] = {{"get", get}, {NULL, NULL}};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    luaL_newlib(L, functions);
    return 1;
}
