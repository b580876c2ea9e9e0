// completion.cpp: finds names by raw access, following `__index` only where it is a table.

#include "bindings/completion.hpp"

#include <array>
#include <cstring>
#include <string_view>

namespace coir {

namespace {

constexpr int max_index_links = 10;

constexpr std::array<const char*, 22> keywords = {
    "and",      "break",  "do",   "else", "elseif", "end",  "false", "for",
    "function", "goto",   "if",   "in",   "local",  "nil",  "not",   "or",
    "repeat",   "return", "then", "true", "until",  "while"};

// The word in parts: in "io.stdout:wr" the path "io.stdout:", separated by ':', and the start "wr".
struct Word {
    std::string_view path;
    std::string_view start;
    char separator;
};

Word split(std::string_view word) {
    std::size_t cut = word.find_last_of(".:");
    if (cut == word.npos) return {"", word, '\0'};
    return {word.substr(0, cut + 1), word.substr(cut + 1), word[cut]};
}

bool is_name(std::string_view text) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    constexpr std::string_view digits = "0123456789";
    if (text.empty() || digits.find(text[0]) != digits.npos) return false;
    for (char c : text)
        if (letters.find(c) == letters.npos && digits.find(c) == digits.npos) return false;
    return true;
}

// Replaces the value on top of the stack by its `__index`, if it has one.
bool follow_index(lua_State* L) {
    if (luaL_getmetafield(L, -1, "__index") == LUA_TNIL) return false;
    lua_remove(L, -2);
    return true;
}

// Replaces the value on top of the stack by its field `name`, or nil.
void enter_field(lua_State* L, std::string_view name) {
    for (int link = 0; link < max_index_links; ++link) {
        if (lua_istable(L, -1)) {
            lua_pushlstring(L, name.data(), name.size());
            if (lua_rawget(L, -2) != LUA_TNIL) {
                lua_remove(L, -2);
                return;
            }
            lua_pop(L, 1);
        }
        if (!follow_index(L)) break;
    }
    lua_pop(L, 1);
    lua_pushnil(L);
}

// Pushes the value that a path such as "io.stdout:" leads to.
void push_value(lua_State* L, std::string_view path) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    while (!path.empty()) {
        std::size_t end = path.find_first_of(".:");
        enter_field(L, path.substr(0, end));
        path.remove_prefix(end + 1);
    }
}

// Adds path and name to the set at index `set`.
void add(lua_State* L, int set, const Word& word, const char* name) {
    lua_pushlstring(L, word.path.data(), word.path.size());
    lua_pushstring(L, name);
    lua_concat(L, 2);
    lua_pushboolean(L, 1);
    lua_rawset(L, set);
}

// Adds the matching keys of the table on top of the stack.
void add_keys(lua_State* L, int set, const Word& word) {
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) continue;
        std::size_t length;
        const char* text = lua_tolstring(L, -2, &length);
        std::string_view name(text, length);
        if (word.separator == ':' && !lua_isfunction(L, -1)) continue;
        if (name.starts_with(word.start) && is_name(name)) add(L, set, word, text);
    }
}

// Takes the word as a light userdata and returns the set of completions.
int collect(lua_State* L) {
    Word word = split(static_cast<const char*>(lua_touserdata(L, 1)));
    lua_newtable(L);
    int set = lua_gettop(L);
    if (word.path.empty()) {
        for (std::string_view keyword : keywords)
            if (keyword.starts_with(word.start)) add(L, set, word, keyword.data());
    }
    push_value(L, word.path);
    for (int link = 0; link < max_index_links; ++link) {
        if (lua_istable(L, -1)) add_keys(L, set, word);
        if (!follow_index(L)) break;
    }
    lua_settop(L, set);
    return 1;
}

bool push_completions(lua_State* L, const char* word) {
    if (*word == '\0' || !lua_checkstack(L, LUA_MINSTACK)) return false;
    lua_pushcfunction(L, collect);
    lua_pushlightuserdata(L, const_cast<char*>(word));
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        lua_pop(L, 1);
        return false;
    }
    lua_pushnil(L);
    return true;
}

}  // namespace

char* next_completion(lua_State* L, const char* word, bool first) {
    if (first && !push_completions(L, word)) return nullptr;
    if (lua_next(L, -2) == 0) {
        lua_pop(L, 1);
        return nullptr;
    }
    lua_pop(L, 1);
    return strdup(lua_tostring(L, -1));
}

}  // namespace coir
