#include "runtime/text_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace coir {

namespace {

constexpr std::size_t size_limit = 64 << 20;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void read_all(int fd, std::string& text) {
    char block[4096];
    while (text.size() < size_limit) {
        ssize_t n = ::read(fd, block, sizeof block);
        if (n <= 0) return;
        text.append(block, static_cast<std::size_t>(n));
    }
}

}  // namespace

// Of the open file, or else of the path.
TextFile::Stamp TextFile::stamp_of(int fd, const char* path) {
    struct stat status;
    if ((fd >= 0 ? ::fstat(fd, &status) : ::stat(path, &status)) < 0) return {};
    if (!S_ISREG(status.st_mode)) return {};  // nothing else has a time at which it changed
    Stamp stamp;
    stamp.device = static_cast<std::uint64_t>(status.st_dev);
    stamp.inode = static_cast<std::uint64_t>(status.st_ino);
    stamp.size = status.st_size;
#ifdef __APPLE__
    const timespec& changed = status.st_ctimespec;
#else
    const timespec& changed = status.st_ctim;
#endif
    stamp.seconds = changed.tv_sec;
    stamp.nanoseconds = changed.tv_nsec;
    return stamp;
}

bool TextFile::refresh() {
    if (looked_ && stamp_of(-1, path_.c_str()) == stamp_) return false;
    std::string text;
    Stamp stamp;
    int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    // For want of descriptors what was read before still holds.
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) return false;
    if (fd >= 0) {
        struct Closer {
            int fd;
            ~Closer() { ::close(fd); }
        } closer{fd};
        stamp =
            stamp_of(fd, nullptr);  // before reading: a change while we read shows at the next call
        if (stamp != Stamp()) read_all(fd, text);
    }
    text_ = std::move(text);
    stamp_ = stamp;
    looked_ = true;
    return true;
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    line = line.substr(0, line.find('#'));
    for (std::size_t i = 0; i < line.size();) {
        std::size_t start = i;
        while (i < line.size() && !is_space(line[i])) ++i;
        if (i > start) words.push_back(line.substr(start, i - start));
        while (i < line.size() && is_space(line[i])) ++i;
    }
    return words;
}

}  // namespace coir
