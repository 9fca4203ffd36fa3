// The host and the memory around a compiled ImageRunner: feeds it requests, images and features, and writes down what it answers.
// An ExternalSystem has its memory with it: its words go through the port i_writes.
//
//   simulation STEPS RESULTS [--stall P] [--seed N] [--latency CYCLES] [--patience CYCLES]
//              [--trace FILE FIRST LAST RUN] [+MEMORY=FILE ..]
//
// STEPS and RESULTS are files of little-endian 32-bit words.
//
// STEPS holds, one after the other:
//   0, count, words..    from now on the memory holds these words, and 0 behind them (an ExternalSystem: what was there before)
//   1                    ask to CHECK the image
//   2, count, bytes..    ask to RUN it once; the bytes, padded to words, are offered on i_features
//
// RESULTS holds for each CHECK and RUN:
//   the answer's payload, of an ExternalSystem `transfer` and `seen`, reports, their payloads, output bytes, those bytes padded to
//   words
//
// On standard output, a line for each: "progress CYCLES REQUESTS COMMANDS" now and then and at the end, or, where nothing
// moved on any stream for the patience, "hang CYCLES REQUEST COMMAND".

#include "Vtop.h"
#include "ports.h"  // the wires of each port, by name

#include <verilated.h>
#if VM_TRACE
#include <verilated_vcd_c.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

using Words = std::vector<uint32_t>;

[[noreturn]] void stop(const std::string &sentence) {
    fprintf(stderr, "%s\n", sentence.c_str());
    exit(1);
}

// Options ------------------------------------------------------------------------------------------------------------------

struct Options {
    std::string steps, results;
    double stall = 0;
    uint64_t seed = 0;
    uint64_t latency = 1;
    uint64_t patience = 1'000'000;
    std::string trace;
    uint64_t first = 0, last = 0, run = 0;
};

Options read_options(int count, char **values) {
    Options options;
    int place = 1;
    auto next = [&]() -> std::string {
        if (place == count) stop("the simulation's arguments end too early");
        return values[place++];
    };
    auto number = [&] { return std::stoull(next()); };
    options.steps = next();
    options.results = next();
    while (place < count) {
        std::string name = next();
        if (name == "--stall") options.stall = std::stod(next());
        else if (name == "--seed") options.seed = number();
        else if (name == "--latency") options.latency = number();
        else if (name == "--patience") options.patience = number();
        else if (name == "--trace") {
            options.trace = next();
            options.first = number();
            options.last = number();
            options.run = number();
        } else if (name[0] != '+') stop("the simulation has no option " + name);
    }
    return options;
}

// Files --------------------------------------------------------------------------------------------------------------------

Words read_words(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (!file || bytes.size() % 4) stop(path + " cannot be read");
    Words words(bytes.size() / 4);
    std::memcpy(words.data(), bytes.data(), bytes.size());
    return words;
}

void append_bytes(Words &words, const std::vector<uint8_t> &bytes) {
    words.push_back(bytes.size());
    size_t start = words.size();
    words.resize(start + (bytes.size() + 3) / 4);
    if (!bytes.empty()) std::memcpy(&words[start], bytes.data(), bytes.size());
}

// Chance -------------------------------------------------------------------------------------------------------------------

class Chance {
public:
    Chance(double probability, uint64_t seed)
        : limit_(probability * 4294967296.0), state_(seed * 0x9E3779B97F4A7C15 + 0x2545F4914F6CDD1D) {
        if (!state_) state_ = 1;
    }

    // True with the probability.
    bool operator()() {
        if (!limit_) return false;
        state_ ^= state_ >> 12, state_ ^= state_ << 25, state_ ^= state_ >> 27;
        return (state_ * 0x2545F4914F6CDD1D >> 32) < limit_;
    }

private:
    uint64_t limit_, state_;
};

// The design ---------------------------------------------------------------------------------------------------------------

// A port's bits: as many bytes as Verilator keeps for them, lowest first.
struct Wire {
    void *bits;
    size_t bytes;

    uint32_t get() const {
        uint32_t value = 0;
        std::memcpy(&value, bits, std::min<size_t>(bytes, 4));
        return value;
    }
    void set(uint64_t value) { std::memcpy(bits, &value, std::min<size_t>(bytes, 8)); }
    void append_to(Words &words) const {
        size_t start = words.size();
        words.resize(start + (bytes + 3) / 4);
        std::memcpy(&words[start], bits, bytes);
    }
};

struct Stream {
    Wire payload, valid, ready;

    bool moves() const { return valid.get() & ready.get(); }
};

class Design {
public:
    Design(int count, char **values) : top_(prepared(count, values)) {
#if VM_TRACE
        context_.traceEverOn(true);
#endif
#define PORT(name, member) wires_.emplace(name, Wire{&top_.member, sizeof top_.member});
        PORTS
#undef PORT
    }

    Wire wire(const std::string &name) const {
        auto found = wires_.find(name);
        if (found == wires_.end()) stop("the design has no port " + name);
        return found->second;
    }

    bool has(const std::string &name) const { return wires_.count(name); }

    Stream stream(const std::string &name) const {
        return {wire(name + "__payload"), wire(name + "__valid"), wire(name + "__ready")};
    }

    // Work out all wires of a cycle from the registers and the inputs.
    void evaluate() {
        top_.clk = 0;
        top_.eval();
    }

    // The clock's edge: the registers take what was worked out.
    void tick() {
        top_.clk = 1;
        top_.eval();
    }

    Vtop &top() { return top_; }

private:
    // Memories are filled while the design is made, from files that the arguments name.
    VerilatedContext *prepared(int count, char **values) {
        context_.commandArgs(count, values);
        return &context_;
    }

    VerilatedContext context_;
    Vtop top_;
    std::map<std::string, Wire> wires_;
};

// Both sides of streams ----------------------------------------------------------------------------------------------------

// Offers payloads to an input. What is offered stays until it is taken; a pause comes before an offer only.
class Source {
public:
    Source(Stream stream, Chance chance) : stream_(stream), pauses_(chance) {}

    // Called once a cycle, before the evaluation.
    void drive(bool there_is, uint64_t payload) {
        if (freed_) stream_.valid.set(0);
        freed_ = false;
        if (!stream_.valid.get() && there_is && !pauses_()) {
            stream_.valid.set(1);
            stream_.payload.set(payload);
        }
    }

    // After the evaluation: whether the payload has been taken. The input is free again then, from the next cycle on.
    bool taken() const { return stream_.moves(); }
    void free() { freed_ = true; }

private:
    Stream stream_;
    bool freed_ = false;
    Chance pauses_;
};

// Takes payloads from an output.
class Sink {
public:
    Sink(Stream stream, Chance chance) : stream_(stream), pauses_(chance) {}

    void drive(bool wants) { stream_.ready.set(wants && !pauses_()); }
    bool takes() const { return stream_.moves(); }
    uint32_t payload() const { return stream_.payload.get(); }
    void append_to(Words &words) const { stream_.payload.append_to(words); }

private:
    Stream stream_;
    Chance pauses_;
};

// One port of the memory: a request each cycle, its word `latency` cycles later.
class Port {
public:
    Port(Sink requests, Source answers, uint64_t latency) : requests_(requests), answers_(answers), latency_(latency) {}

    void drive(uint64_t cycle) {
        bool due = head_ != tail_ && due_[head_ % size] <= cycle;
        answers_.drive(due, words_[head_ % size]);
        requests_.drive(tail_ - head_ < size);
    }

    // After the evaluation. Whether something moved.
    bool observe(uint64_t cycle, const Words &memory) {
        bool moved = false;
        if (answers_.taken()) {
            answers_.free();
            head_++;
            moved = true;
        }
        if (requests_.takes()) {
            uint32_t address = requests_.payload();
            words_[tail_ % size] = address < memory.size() ? memory[address] : 0;
            due_[tail_ % size] = cycle + latency_;
            tail_++;
            moved = true;
        }
        return moved;
    }

private:
    static constexpr unsigned size = 64;
    Sink requests_;
    Source answers_;
    uint64_t latency_;
    uint32_t words_[size] = {};
    uint64_t due_[size] = {};
    unsigned head_ = 0, tail_ = 0;
};

// Waves --------------------------------------------------------------------------------------------------------------------

// A VCD file of the cycles in which some commands of one RUN are carried out; a cycle takes ten units of time.
class Waves {
public:
    Waves(const Options &options, Design &design) : options_(options) {
#if VM_TRACE
        design.top().trace(&file_, 99);
        file_.open(options.trace.c_str());
        if (!file_.isOpen()) stop(options.trace + " cannot be written");
#else
        (void)design;
        stop("this simulation was built without waves");
#endif
    }

    void sample(uint64_t cycle, uint64_t run, uint64_t command) {
        if (run != options_.run || command < options_.first || command > options_.last) return;
#if VM_TRACE
        file_.dump(10 * cycle);
#endif
    }

    void flush() {
#if VM_TRACE
        file_.flush();
#endif
    }

private:
    const Options &options_;
#if VM_TRACE
    VerilatedVcdC file_;
#endif
};

// The host -----------------------------------------------------------------------------------------------------------------

enum StepKind : uint32_t { MEMORY = 0, CHECK = 1, RUN = 2 };

class Host {
public:
    Host(const Options &options, Design &design)
        : options_(options),
          design_(design),
          steps_(read_words(options.steps)),
          requests_(design.stream("i_requests"), chance()),
          answers_(design.stream("o_answers"), chance()),
          reports_(design.stream("o_reports"), chance()),
          inputs_(design.stream("i_features"), chance()),
          outputs_(design.stream("o_features"), chance()) {
        for (int port = 0; design.has("o_memory_requests__" + std::to_string(port) + "__valid"); port++) {
            std::string number = std::to_string(port);
            ports_.emplace_back(Sink(design.stream("o_memory_requests__" + number), chance()),
                                Source(design.stream("i_memory_words__" + number), chance()), options.latency);
        }
        if (design.has("i_writes__valid")) writes_ = std::make_unique<Source>(design.stream("i_writes"), chance());
        if (!options.trace.empty()) waves_ = std::make_unique<Waves>(options, design);
    }

    // Every step, one after the other. False if one hung.
    bool perform() {
        reset();
        size_t place = 0;
        auto count = [&](size_t bytes_a_word) {
            if (place >= steps_.size() || steps_[place] > bytes_a_word * (steps_.size() - place - 1)) stop("a step ends too early");
            return steps_[place++];
        };
        while (place < steps_.size()) {
            uint32_t kind = steps_[place++];
            if (kind == MEMORY) {
                uint32_t words = count(1);
                memory_.assign(&steps_[place], &steps_[place] + words);
                place += words;
                if (writes_) write_memory();
            } else if (kind == CHECK || kind == RUN) {
                uint32_t bytes = kind == RUN ? count(4) : 0;
                const auto *input = reinterpret_cast<const uint8_t *>(steps_.data() + place);
                place += (bytes + 3) / 4;
                if (!request(kind, input, bytes)) return false;
            } else {
                stop("there is no step of kind " + std::to_string(kind));
            }
        }
        if (waves_) waves_->flush();
        return true;
    }

    const Words &results() const { return results_; }

    // How far it is.
    void tell() const {
        printf("progress %llu %llu %llu\n", (unsigned long long)cycle_, (unsigned long long)answered_, (unsigned long long)commands_);
        fflush(stdout);
    }

private:
    using Clock = std::chrono::steady_clock;

    Chance chance() { return Chance(options_.stall, options_.seed * 1000 + streams_++); }

    void reset() {
        design_.wire("rst").set(1);
        for (int cycle = 0; cycle < 4; cycle++) {
            design_.evaluate();
            design_.tick();
        }
        design_.wire("rst").set(0);
    }

    void write_memory() {
        for (uint64_t address = 0; address < memory_.size();) {
            writes_->drive(true, address | uint64_t(memory_[address]) << 32);
            design_.evaluate();
            if (writes_->taken()) {
                writes_->free();
                address++;
            }
            design_.tick();
            cycle_++;
        }
        writes_->drive(false, 0);
    }

    // One request up to its answer. False if nothing moves any more.
    bool request(uint32_t kind, const uint8_t *input, size_t bytes) {
        Words reports;
        std::vector<uint8_t> outputs;
        uint32_t reported = 0;
        size_t given = 0;
        bool asked = false, answered = false;
        uint64_t moved = cycle_;
        while (!answered) {
            requests_.drive(!asked, kind == RUN);
            answers_.drive(true);
            reports_.drive(true);
            inputs_.drive(given < bytes, given < bytes ? input[given] : 0);
            outputs_.drive(true);
            for (Port &port : ports_) port.drive(cycle_);
            design_.evaluate();
            if (waves_ && kind == RUN) waves_->sample(cycle_, runs_, reported);
            bool moves = false;
            for (Port &port : ports_) moves |= port.observe(cycle_, memory_);
            if (requests_.taken()) {
                requests_.free();
                asked = moves = true;
            }
            if (inputs_.taken()) {
                inputs_.free();
                given++;
                moves = true;
            }
            if (outputs_.takes()) {
                outputs.push_back(outputs_.payload());
                moves = true;
            }
            if (reports_.takes()) {
                reports_.append_to(reports);
                reported++;
                commands_++;
                moves = true;
            }
            if (answers_.takes()) {
                answers_.append_to(results_);
                if (writes_) {
                    results_.push_back(design_.wire("transfer").get());
                    results_.push_back(design_.wire("seen").get());
                }
                answered = moves = true;
            }
            design_.tick();
            cycle_++;
            if (moves) moved = cycle_;
            else if (cycle_ - moved >= options_.patience) {
                if (waves_) waves_->flush();
                printf("hang %llu %llu %u\n", (unsigned long long)cycle_, (unsigned long long)answered_, reported);
                return false;
            }
            if (cycle_ % 4096 == 0 && Clock::now() - told_ > std::chrono::milliseconds(200)) {
                told_ = Clock::now();
                tell();
            }
        }
        inputs_.free();  // an answer ends the run, also where it has not taken all
        answered_++;
        if (kind == RUN) runs_++;
        results_.push_back(reported);
        results_.insert(results_.end(), reports.begin(), reports.end());
        append_bytes(results_, outputs);
        return true;
    }

    const Options &options_;
    Design &design_;
    Words steps_, memory_, results_;
    uint64_t streams_ = 0, cycle_ = 0, answered_ = 0, runs_ = 0, commands_ = 0;
    Clock::time_point told_ = Clock::now();
    Source requests_;
    Sink answers_, reports_;
    Source inputs_;
    Sink outputs_;
    std::vector<Port> ports_;
    std::unique_ptr<Source> writes_;
    std::unique_ptr<Waves> waves_;
};

}  // namespace

int main(int count, char **values) {
    Options options = read_options(count, values);
    auto design = std::make_unique<Design>(count, values);  // too large for the stack
    Host host(options, *design);
    if (host.perform()) host.tell();
    std::ofstream file(options.results, std::ios::binary);
    file.write(reinterpret_cast<const char *>(host.results().data()), host.results().size() * 4);
    if (!file.flush()) stop(options.results + " cannot be written");
}
