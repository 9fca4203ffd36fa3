// A board on a serial line, as a program: a compiled SerialShell whose rx and tx are joined to a pseudo terminal.
//
//   simulation CLOCKS
//
// CLOCKS are the clock cycles of a bit. The first line on standard output is the terminal's path. Each line on standard input is a
// command, answered by one line "CYCLES QUIET IN OUT": cycles so far, those of them in which nothing had been on the line for a
// while, bytes to the board, bytes from it.
//
//   count     answers
//   reset     holds the board's reset for some cycles; what its memory holds stays
//
// The end of standard input ends the program.

#include "Vtop.h"

#include <verilated.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <string>
#include <termios.h>
#include <unistd.h>

namespace {

[[noreturn]] void stop(const std::string &sentence) {
    fprintf(stderr, "%s\n", sentence.c_str());
    exit(1);
}

// The terminal: its other side may come and go.
class Terminal {
public:
    Terminal() : file_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)) {
        if (file_ < 0 || grantpt(file_) || unlockpt(file_)) stop("there is no pseudo terminal");
        path_ = ptsname(file_);
        // One open end of our own: else the settings are lost, and reading fails, as long as nobody is there.
        int other = open(path_.c_str(), O_RDWR | O_NOCTTY);
        termios settings;
        if (other < 0 || tcgetattr(other, &settings)) stop(path_ + " cannot be opened");
        cfmakeraw(&settings);
        tcsetattr(other, TCSANOW, &settings);
    }

    const std::string &path() const { return path_; }

    void read_into(std::deque<uint8_t> &bytes) {
        uint8_t buffer[4096];
        ssize_t count = read(file_, buffer, sizeof buffer);
        if (count > 0) bytes.insert(bytes.end(), buffer, buffer + count);
    }

    void write_from(std::deque<uint8_t> &bytes) {
        std::string now(bytes.begin(), bytes.end());
        ssize_t count = write(file_, now.data(), now.size());
        if (count > 0) bytes.erase(bytes.begin(), bytes.begin() + count);
    }

private:
    int file_;
    std::string path_;
};

// Sends bytes: a start bit, eight bits, a stop bit.
class Sender {
public:
    explicit Sender(unsigned clocks) : clocks_(clocks) {}

    // The wire in the next cycle.
    bool drive(std::deque<uint8_t> &bytes) {
        if (!left_) {
            if (bytes.empty()) return true;
            bits_ = bytes.front() << 1 | 1 << 9;
            bytes.pop_front();
            left_ = 10 * clocks_;
            sent_++;
        }
        unsigned bit = 10 - (left_-- + clocks_ - 1) / clocks_;
        return bits_ >> bit & 1;
    }

    bool idle() const { return !left_; }
    uint64_t sent() const { return sent_; }

private:
    unsigned clocks_, left_ = 0, bits_ = 0;
    uint64_t sent_ = 0;
};

class Receiver {
public:
    explicit Receiver(unsigned clocks) : clocks_(clocks) {}

    void observe(bool wire, std::deque<uint8_t> &bytes) {
        if (!left_) {
            if (wire) return;
            left_ = 10 * clocks_ - clocks_ / 2;  // up to the middle of the stop bit
            bits_ = 0;
            return;
        }
        if (--left_ % clocks_) return;
        unsigned bit = 9 - left_ / clocks_;  // 0 is the start bit
        if (bit >= 1 && bit <= 8) bits_ |= wire << (bit - 1);
        if (bit == 9) {
            bytes.push_back(bits_);
            received_++;
        }
    }

    bool idle() const { return !left_; }
    uint64_t received() const { return received_; }

private:
    unsigned clocks_, left_ = 0, bits_ = 0;
    uint64_t received_ = 0;
};

constexpr uint64_t QUIET_CYCLES = 1000;       // without a byte either way: nobody has anything to say
constexpr uint64_t LOOK_CYCLES = 256;         // between two looks at the terminal
constexpr uint64_t IDLE_CYCLES = 20'000'000;  // without a byte, after which the processor gets a rest

}  // namespace

int main(int count, char **values) {
    if (count != 2) stop("the simulation takes one argument: the clock cycles of a bit");
    unsigned clocks = std::stoul(values[1]);
    VerilatedContext context;
    context.commandArgs(count, values);
    auto top = std::make_unique<Vtop>(&context);
    Terminal terminal;
    Sender sender(clocks);
    Receiver receiver(clocks);
    std::deque<uint8_t> to_board, from_board;
    uint64_t cycle = 0, last_byte = 0, silent = 0, quiet = 0, reset_left = 4;
    printf("%s\n", terminal.path().c_str());
    fflush(stdout);

    std::string line;
    while (true) {
        top->rst = reset_left != 0;
        if (reset_left) reset_left--;
        top->rx = sender.drive(to_board);
        top->clk = 0;
        top->eval();
        receiver.observe(top->tx, from_board);
        top->clk = 1;
        top->eval();
        cycle++;
        silent = sender.idle() && receiver.idle() ? silent + 1 : 0;
        quiet += silent > QUIET_CYCLES;
        if (cycle % LOOK_CYCLES) continue;

        if (to_board.empty()) terminal.read_into(to_board);
        if (!from_board.empty()) terminal.write_from(from_board);
        if (!to_board.empty() || !from_board.empty() || !sender.idle()) last_byte = cycle;
        pollfd command = {STDIN_FILENO, POLLIN, 0};
        bool rests = cycle - last_byte > IDLE_CYCLES;
        if (cycle % (16 * LOOK_CYCLES) && !rests) continue;
        if (poll(&command, 1, rests ? 1 : 0) <= 0) continue;
        char byte;
        if (read(STDIN_FILENO, &byte, 1) != 1) return 0;
        if (byte != '\n') {
            line += byte;
            continue;
        }
        if (line == "reset") reset_left = 16;
        else if (line != "count") stop("the simulation has no command " + line);
        line.clear();
        printf("%llu %llu %llu %llu\n", (unsigned long long)cycle, (unsigned long long)quiet,
               (unsigned long long)sender.sent(), (unsigned long long)receiver.received());
        fflush(stdout);
    }
}
