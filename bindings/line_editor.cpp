// line_editor.cpp: edits a line with libedit's readline interface.
//
// libedit keeps its editor in globals and calls back without a context, so ours is a global too. It
// reads through `read_character`, which lets the runtime go on with other fibers while nobody
// types. Characters are decoded in the user's locale, which is in force in this thread only while
// libedit works, since Lua's own functions depend on the locale as well.

#include "bindings/line_editor.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <unistd.h>

#include <editline/readline.h>

#include "bindings/completion.hpp"

namespace coir {

namespace {

constexpr int max_remembered_lines = 1000;
constexpr const char* word_breaks = " \t\n\"\\'`@$><=;|&{(+-*/%^~#,)}[]!?";

struct Editor {
    lua_State* L;
    const InterpreterHooks* hooks;
    locale_t locale;   // the user's, or null when the system does not know it
    locale_t outside;  // in force before libedit was entered
    char* text;        // the line read last, kept until the next one so that raising loses nothing
    bool started;
    bool interrupted;
};

Editor editor;

bool is_ascii(locale_t locale) {
    std::string_view codeset = nl_langinfo_l(CODESET, locale);
    return codeset == "ANSI_X3.4-1968" || codeset == "US-ASCII";
}

// The locale of the environment, or UTF-8 where that knows no more than ASCII.
locale_t user_locale() {
    locale_t locale = newlocale(LC_CTYPE_MASK, "", nullptr);
    if (locale != nullptr && !is_ascii(locale)) return locale;
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (utf8 == nullptr) return locale;
    if (locale != nullptr) freelocale(locale);
    return utf8;
}

void enter_locale() {
    if (editor.locale != nullptr) editor.outside = uselocale(editor.locale);
}

void leave_locale() {
    if (editor.locale != nullptr) uselocale(editor.outside);
}

bool await_input() {
    if (editor.hooks->await_input == nullptr) return true;
    leave_locale();
    bool ready = editor.hooks->await_input(editor.hooks->context);
    enter_locale();
    return ready;
}

// Reads one byte of the terminal; -1 at the end of input or when the user has interrupted.
int read_byte() {
    for (;;) {
        if (!await_input()) {
            editor.interrupted = true;
            return -1;
        }
        unsigned char byte;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        int error = errno;
        if (n == 1) return byte;
        if (n == 0 || error != EINTR) return -1;
    }
}

// Reads one character for libedit; -1 ends the line.
int read_character(FILE*) {
    std::mbstate_t state{};
    for (;;) {
        int byte = read_byte();
        if (byte < 0) return -1;
        char part = static_cast<char>(byte);
        wchar_t character = 0;
        std::size_t n = std::mbrtowc(&character, &part, 1, &state);
        if (n == static_cast<std::size_t>(-2)) continue;
        if (n == static_cast<std::size_t>(-1)) return byte;
        return static_cast<int>(character);
    }
}

char* next_match(const char* text, int state) {
    return next_completion(editor.L, text, state == 0);
}

std::string history_path() {
    const char* home = std::getenv("HOME");
    return home == nullptr || *home == '\0' ? "" : std::string(home) + "/.coir_history";
}

HIST_ENTRY* remembered_line(int i) { return history_get(history_base + i); }

// Writes the lines that are remembered over a file that has grown long. The file is ours and not
// libedit's, whose functions append a line twice.
void shorten_history(const char* path) {
    FILE* file = std::fopen(path, "we");
    if (file == nullptr) return;
    for (int i = 0; i < history_length; ++i) {
        HIST_ENTRY* entry = remembered_line(i);
        if (entry != nullptr) std::fprintf(file, "%s\n", entry->line);
    }
    std::fclose(file);
}

void load_history() {
    using_history();
    stifle_history(max_remembered_lines);
    std::string path = history_path();
    FILE* file = path.empty() ? nullptr : std::fopen(path.c_str(), "re");
    if (file == nullptr) return;
    char* line = nullptr;
    std::size_t capacity = 0;
    int lines = 0;
    for (ssize_t n = getline(&line, &capacity, file); n > 0; n = getline(&line, &capacity, file)) {
        if (line[n - 1] == '\n') line[n - 1] = '\0';
        add_history(line);
        ++lines;
    }
    std::free(line);
    std::fclose(file);
    if (lines > 2 * max_remembered_lines) shorten_history(path.c_str());
}

// Adds a line to the history and to its file, which only the user may read.
void remember(const char* line) {
    if (*line == '\0') return;
    HIST_ENTRY* last = history_length > 0 ? remembered_line(history_length - 1) : nullptr;
    if (last != nullptr && std::strcmp(last->line, line) == 0) return;
    add_history(line);
    std::string path = history_path();
    int fd =
        path.empty() ? -1 : open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return;
    dprintf(fd, "%s\n", line);
    close(fd);
}

// libedit's own signal handlers would take an interrupt away from the runtime; without a runtime
// they are what puts the terminal right before the process ends.
void start_editor() {
    editor.locale = user_locale();
    rl_readline_name = "coir";
    rl_getc_function = read_character;
    rl_catch_signals = editor.hooks->await_input == nullptr ? 1 : 0;
    enter_locale();
    rl_initialize();
    leave_locale();
    rl_basic_word_break_characters = word_breaks;
    rl_completion_entry_function = next_match;
    rl_completion_append_character = '\0';
    load_history();
    editor.started = true;
}

void read_text(const char* prompt) {
    std::free(editor.text);
    editor.interrupted = false;
    enter_locale();
    rl_resize_terminal();
    editor.text = readline(prompt);
    leave_locale();
}

}  // namespace

LineStatus push_edited_line(lua_State* L, const char* prompt, const InterpreterHooks& hooks) {
    editor.L = L;
    editor.hooks = &hooks;
    if (!editor.started) start_editor();
    int top = lua_gettop(L);
    read_text(prompt);
    lua_settop(L, top);
    if (editor.interrupted) {
        std::fputc('\n', stdout);
        return LineStatus::interrupted;
    }
    if (editor.text == nullptr) return LineStatus::end;
    remember(editor.text);
    lua_pushstring(L, editor.text);
    return LineStatus::line;
}

}  // namespace coir
