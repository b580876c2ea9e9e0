// text_file.hpp: a small file of the system that is read again when it has changed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace coir {

class TextFile {
public:
    explicit TextFile(std::string path) : path_(std::move(path)) {}

    const std::string& path() const { return path_; }

    // Reads the file, unless it is what it was at the last call. True: text() is new. A file that
    // cannot be read is an empty one, but while descriptors are wanting all stays as it was. Throws
    // std::bad_alloc.
    bool refresh();
    std::string_view text() const { return text_; }

private:
    struct Stamp {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::int64_t size = -1;
        std::int64_t seconds = 0;
        std::int64_t nanoseconds = 0;
        friend bool operator==(const Stamp&, const Stamp&) = default;
    };

    static Stamp stamp_of(int fd, const char* path);

    std::string path_;
    std::string text_;
    Stamp stamp_;
    bool looked_ = false;
};

// The words of a line, up to a `#`; words are separated by white space.
std::vector<std::string_view> words_of(std::string_view line);

// Calls visit(line) for each line of `text`.
template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
    while (!text.empty()) {
        std::size_t end = text.find('\n');
        visit(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

}  // namespace coir
