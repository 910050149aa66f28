// shim.h -- a Verilated unit behind a C interface: whole batches of beats through its AXI-Streams
//
// The file that includes this names the unit's streams (STREAM, TAP) and lists them (UNIT); which
// signals a stream has, and how wide they are, is found out here. One call plays one batch: reset,
// beats in, beats out, each stream with stalls of its own, until all beats moved or the cycles are
// spent. A tap is a stream inside the unit that is only watched. What breaks a rule of the streams
// ends the batch with a fault.

#include <array>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <vector>

#include "Vunit.h"
#include "Vunit___024root.h"
#include "verilated.h"

extern "C" {

// Beats into the unit: in blocks of `block` beats, each block sent `copies` times before the next.
struct Source {
    const int64_t* values;  // (beats, lanes)
    const uint8_t* users;   // (beats, user_lanes); null: all zero
    const uint8_t* lasts;   // (beats,); null: never
    const int64_t* after;   // (beats,) is not offered before stream `of` moved so many; null: at once
    const uint8_t* stalls;  // for each cycle: does the stream stand still? null: never
    int64_t beats, lanes, bits, user_lanes, block, copies;
    int64_t of;     // sources first, then sinks
    int64_t moved;  // beats that the unit took
};

// Beats out of the unit. Each is due only after the unit took `needs` beats for it from source `of`.
struct Sink {
    int64_t* values;  // (beats, lanes), sign-extended
    uint8_t* users;   // (beats, user_lanes)
    uint8_t* lasts;   // (beats,)
    const uint8_t* stalls;
    int64_t beats, lanes, bits, user_lanes;
    int64_t of, needs;
    int64_t endless;  // 1: more would come if asked for, so nobody asks
    int64_t moved;    // beats that left the unit
};

enum Fault : int64_t {
    NONE, NO_END, FELL, CHANGED, TOO_MANY, TOO_EARLY, FOLLOWS, FINISH, FATAL
};

struct Batch {
    Source* sources;
    Sink* sinks;
    int64_t offers;  // a bit for each stream, sources first: is it valid, or ready, during reset?
    int64_t budget;  // cycles after the reset; with them and the linger, the stalls end
    int64_t linger;  // cycles to go on when all beats moved: one too many would show
    int64_t cut;     // 1: that the cycles are spent is no fault
    int64_t tries;   // cycles in which it is tried whether anything follows the sinks' ready
    int64_t cycles;  // until all beats moved
    int64_t fault;
    int64_t at;  // the sink that it is about
    char message[256];
};

}  // extern "C"

#ifdef COUNTS_COVERAGE
// A unit that is made says for each point what it is about and where it counts. Verilator's own
// book of them takes a hundred times as long as a batch, so this is kept instead: it is in the place
// of the macro that Verilator documents for points of one's own, and uses itself.
#include <string>

#include "verilated_cov.h"

namespace {

thread_local std::vector<const uint32_t*> counters;
thread_local std::string* records = nullptr;  // a line for each point, if somebody asks

inline std::string text(int value) { return std::to_string(value); }
inline std::string text(const std::string& value) { return value; }

inline void describe() {}

template <class Key, class Value, class... Others>
void describe(const Key& key, const Value& value, const Others&... others) {
    if (const std::string name = text(key); !name.empty())
        *records += name + '\2' + text(value) + '\1';
    describe(others...);
}

template <class... Pairs>
void add_point(const uint32_t* counter, const Pairs&... pairs) {
    counters.push_back(counter);
    if (!records) return;
    describe(pairs...);
    *records += '\n';
}

}  // namespace

#undef VL_COVER_INSERT
#define VL_COVER_INSERT(context, name, counter, ...) add_point(counter, __VA_ARGS__)

extern "C" __attribute__((visibility("default"))) const char* a2q_points() {
    static const std::string all = [] {
        std::string found;
        records = &found;
        VerilatedContext context;
        context.threads(1);
        Vunit unit{&context, ""};
        records = nullptr;
        return found;
    }();
    return all.c_str();
}
#endif

#ifdef CLOCK_IS_NO_DATA
void Vunit___024root___eval(Vunit___024root*);
bool Vunit___024root___eval_phase__act(Vunit___024root*);
bool Vunit___024root___eval_phase__nba(Vunit___024root*);
#endif

namespace {

template <class Port>
constexpr std::size_t WORDS = (sizeof(Port) + 3) / 4;

template <class Port>
void put(Port& port, const uint32_t* words) {
    if constexpr (std::is_same_v<Port, QData>)
        port = words[0] | static_cast<QData>(words[1]) << 32;
    else if constexpr (std::is_integral_v<Port>)
        port = static_cast<Port>(words[0]);
    else
        for (std::size_t i = 0; i < WORDS<Port>; ++i) port[i] = words[i];
}

template <class Port>
void get(const Port& port, uint32_t* words) {
    if constexpr (std::is_same_v<Port, QData>) {
        words[0] = static_cast<uint32_t>(port);
        words[1] = static_cast<uint32_t>(port >> 32);
    } else if constexpr (std::is_integral_v<Port>)
        words[0] = port;
    else
        for (std::size_t i = 0; i < WORDS<Port>; ++i) words[i] = port[i];
}

template <class Port>
void require_room(int64_t bits) {
    if (bits > int64_t{32} * int64_t{WORDS<Port>})
        throw std::runtime_error{"a port is narrower than the spec says"};
}

// Lane i sits at [i*bits +: bits].
void pack(const int64_t* values, int64_t lanes, int64_t bits, uint32_t* words) {
    const uint64_t mask = ~uint64_t{0} >> (64 - bits);
    unsigned __int128 held = 0;
    int64_t count = 0;
    for (int64_t lane = 0; lane < lanes; ++lane) {
        held |= static_cast<unsigned __int128>(values[lane] & mask) << count;
        for (count += bits; count >= 32; count -= 32, held >>= 32)
            *words++ = static_cast<uint32_t>(held);
    }
    if (count > 0) *words = static_cast<uint32_t>(held);
}

void unpack(const uint32_t* words, int64_t lanes, int64_t bits, int64_t* values) {
    unsigned __int128 held = 0;
    int64_t count = 0;
    for (int64_t lane = 0; lane < lanes; ++lane) {
        for (; count < bits; count += 32) held |= static_cast<unsigned __int128>(*words++) << count;
        const int64_t spare = 64 - bits;
        values[lane] = static_cast<int64_t>(static_cast<uint64_t>(held) << spare) >> spare;
        held >>= bits;
        count -= bits;
    }
}

template <class Ports>
class Driver {
    using Data = std::remove_reference_t<decltype(Ports::data(std::declval<Vunit&>()))>;
    using User = std::remove_reference_t<decltype(*Ports::user(std::declval<Vunit&>()))>;

public:
    Driver(Vunit& unit, Source& plan)
        : plan{plan}, data{Ports::data(unit)}, valid{Ports::valid(unit)},
          ready{Ports::ready(unit)}, user{Ports::user(unit)}, last{Ports::last(unit)},
          total{plan.beats * plan.copies}, words(plan.beats * WORDS<Data>), junk(WORDS<Data>) {
        require_room<Data>(plan.lanes * plan.bits);
        for (int64_t i = 0; i < plan.beats; ++i)
            pack(plan.values + i * plan.lanes, plan.lanes, plan.bits, &words[i * WORDS<Data>]);
        const std::vector<int64_t> ones(plan.lanes, -1);
        pack(ones.data(), plan.lanes, plan.bits, junk.data());
        plan.moved = 0;
        put(data, junk.data());
        if (!user) return;
        require_room<User>(plan.user_lanes);
        user_words.resize(plan.beats * WORDS<User>);
        for (int64_t i = 0; plan.users && i < plan.beats * plan.user_lanes; ++i) {
            const int64_t lane = i % plan.user_lanes;
            user_words[i / plan.user_lanes * WORDS<User> + lane / 32] |=
                static_cast<uint32_t>(plan.users[i]) << lane % 32;
        }
    }

    // During reset, with data that must not be taken.
    void hold(bool on_offer) { valid = on_offer; }

    bool is_ready() const { return ready; }

    void offer(int64_t now, const int64_t* const* moved) {
        if (offers) return;
        offers = plan.moved < total && !(plan.stalls && plan.stalls[now]) &&
                 !(plan.after && *moved[plan.of] < plan.after[beat]);
        if (offers) {
            valid = 1;
            put(data, &words[beat * WORDS<Data>]);
            if (user) put(*user, &user_words[beat * WORDS<User>]);
            if (last) *last = plan.lasts && plan.lasts[beat];
        } else if (valid) {
            valid = 0;
            put(data, junk.data());
            if (last) *last = 1;
        }
    }

    bool move() {
        if (!offers || !ready) return false;
        offers = false;
        ++plan.moved;
        ++beat;
        if (++in_block == plan.block) {
            in_block = 0;
            if (++copy < plan.copies) beat -= plan.block;
            else copy = 0;
        }
        return true;
    }

private:
    Source& plan;
    Data& data;
    CData &valid, &ready;
    User* user;
    CData* last;
    const int64_t total;
    std::vector<uint32_t> words, user_words, junk;
    int64_t beat = 0, in_block = 0, copy = 0;
    bool offers = false;
};

template <class Ports>
class Collector {
    using Data = std::remove_reference_t<decltype(Ports::data(std::declval<Vunit&>()))>;
    using User = std::remove_reference_t<decltype(*Ports::user(std::declval<Vunit&>()))>;

public:
    Collector(Vunit& unit, Sink& plan)
        : plan{plan}, data{Ports::data(unit)}, valid{Ports::valid(unit)},
          ready{Ports::ready(unit)}, last{Ports::last(unit)}, user{Ports::user(unit)} {
        require_room<Data>(plan.lanes * plan.bits);
        require_room<User>(plan.user_lanes);
        plan.moved = 0;
    }

    void hold(bool on_offer) { set(on_offer); }

    bool is_valid() const { return Ports::driven && valid; }
    bool stands() const { return !Ports::driven || !ready; }
    void turn() { set(!ready); }

    void offer(int64_t now) { set(!(plan.stalls && plan.stalls[now]) && !has_enough()); }

    // Returns whether a beat moved; a broken rule goes into `fault`.
    bool move(const int64_t* const* sources, int64_t& fault) {
        if (!valid) {
            if (waits) fault = FELL;
            return false;
        }
        Beat beat;
        get(data, beat.data);
        if (user) get(*user, beat.user);
        if (last) beat.last = *last;
        if (waits && !(beat == held)) fault = CHANGED;
        else if (plan.moved == plan.beats && !plan.endless) fault = TOO_MANY;
        else if (*sources[plan.of] < (plan.moved + 1) * plan.needs) fault = TOO_EARLY;
        waits = !ready;
        if (waits) held = beat;
        if (waits || fault) return false;
        unpack(beat.data, plan.lanes, plan.bits, plan.values + plan.moved * plan.lanes);
        for (int64_t lane = 0; lane < plan.user_lanes; ++lane)
            plan.users[plan.moved * plan.user_lanes + lane] =
                beat.user[lane / 32] >> lane % 32 & 1;
        plan.lasts[plan.moved++] = beat.last;
        return true;
    }

private:
    struct Beat {
        uint32_t data[WORDS<Data>], user[WORDS<User>] = {}, last = 0;
        bool operator==(const Beat&) const = default;
    };

    bool has_enough() const { return plan.endless && plan.moved == plan.beats; }

    void set(bool on_offer) {
        if constexpr (Ports::driven) ready = on_offer;
    }

    Sink& plan;
    const Data& data;
    const CData& valid;
    CData& ready;
    const CData* last;
    const User* user;
    Beat held;  // offered in the cycle before, not taken
    bool waits = false;
};

#ifdef CLOCK_IS_NO_DATA
// What eval does, less its housekeeping, which takes a lock and is done once a batch.
void settle(Vunit& unit) { Vunit___024root___eval(unit.rootp); }

// What eval does when only the clock has changed and it goes to registers alone: it triggers them.
// The paths from the inputs, most of the work, are as they were.
void rise(Vunit& unit) {
    for (int turn = 0; turn < 100; ++turn) {
        while (Vunit___024root___eval_phase__act(unit.rootp)) {}
        if (!Vunit___024root___eval_phase__nba(unit.rootp)) return;
    }
    unit.eval();
}
#else
void settle(Vunit& unit) { unit.eval(); }
void rise(Vunit& unit) { unit.eval(); }
#endif

template <class... Ports>
struct Sources {};
template <class... Ports>
struct Sinks {};

template <int64_t at, class Collected>
void take(Collected& collector, const int64_t* const* moved, int64_t& left, Batch& batch) {
    const int64_t before = batch.fault;
    left -= collector.move(moved, batch.fault);
    if (batch.fault != before) batch.at = at;
}

template <class... In, class... Out, std::size_t... I, std::size_t... O>
void play(Vunit& unit, Batch& batch, Sources<In...>, Sinks<Out...>, std::index_sequence<I...>,
          std::index_sequence<O...>) {
    std::tuple<Driver<In>...> drivers{Driver<In>{unit, batch.sources[I]}...};
    std::tuple<Collector<Out>...> collectors{Collector<Out>{unit, batch.sinks[O]}...};
    const std::array<const int64_t*, sizeof...(In) + sizeof...(Out)> moved{
        &batch.sources[I].moved..., &batch.sinks[O].moved...};
    int64_t left = (0 + ... + (batch.sources[I].beats * batch.sources[I].copies)) +
                   (0 + ... + batch.sinks[O].beats);

    (std::get<I>(drivers).hold(batch.offers >> I & 1), ...);
    (std::get<O>(collectors).hold(batch.offers >> (sizeof...(In) + O) & 1), ...);
    unit.rst = 1;
    unit.clk = 0;
    unit.eval();
    unit.clk = 1;
    unit.eval();
    unit.rst = 0;

    int64_t now = 0, end = batch.budget;
    for (batch.fault = NONE; now < end && !batch.fault; ++now) {
        (std::get<I>(drivers).offer(now, moved.data()), ...);
        (std::get<O>(collectors).offer(now), ...);
        // The clock falls with new operands on offer, combinational paths settle, and it rises.
        unit.clk = 0;
        settle(unit);
        if (batch.tries > 0 && (... && std::get<O>(collectors).stands())) {
            // Neither ready of a source nor valid of a sink may follow ready of a sink.
            --batch.tries;
            const auto answers = [&] {
                return std::array<bool, sizeof...(In) + sizeof...(Out)>{
                    std::get<I>(drivers).is_ready()..., std::get<O>(collectors).is_valid()...};
            };
            const auto turn = [&] {
                (std::get<O>(collectors).turn(), ...);
                settle(unit);
                return answers();
            };
            const auto before = answers();
            if (turn() != before) batch.fault = FOLLOWS, batch.at = sizeof...(Out) - 1;
            turn();
        }
        ((left -= std::get<I>(drivers).move()), ...);
        (take<O>(std::get<O>(collectors), moved.data(), left, batch), ...);
        unit.clk = 1;
        rise(unit);
        if (left == 0) {
            left = -1;
            batch.cycles = now + 1;
            end = batch.cycles + batch.linger;
        }
        if (unit.contextp()->gotFinish()) batch.fault = FINISH;
    }
    if (!batch.fault && left > 0 && !batch.cut) batch.fault = NO_END;
}

// Plays batches in turn on one unit, whose registers start from values that depend on the seed alone.
// How often it hit each of its points goes to `hits`, if there are any.
template <class... In, class... Out>
void play_all(Batch* batches, int64_t count, int seed, uint32_t* hits, Sources<In...> in,
              Sinks<Out...> out) {
    Batch* batch = batches;
    try {
        VerilatedContext context;
        context.threads(1);  // else every unit starts and ends a pool of them
        context.randReset(seed == 0 ? 0 : 2);  // of seed 0 all start from zero
        context.randSeed(seed);
#ifdef COUNTS_COVERAGE
        counters.clear();
#endif
        Vunit unit{&context, ""};
        for (; batch != batches + count; ++batch) {
            play(unit, *batch, in, out, std::index_sequence_for<In...>{},
                 std::index_sequence_for<Out...>{});
            if (batch->fault) return;
        }
#ifdef COUNTS_COVERAGE
        for (const uint32_t* counter : counters) *hits++ = *counter;
#endif
    } catch (const std::exception& error) {
        batch->fault = FATAL;
        std::snprintf(batch->message, sizeof batch->message, "%s", error.what());
    }
}

}  // namespace

// A signal of a stream, or null where the stream has none of that name.
#define SIGNAL(stream, signal)                               \
    template <class U>                                       \
    static auto* signal(U& unit) {                           \
        if constexpr (requires { unit.stream##_t##signal; }) \
            return &unit.stream##_t##signal;                 \
        else                                                 \
            return static_cast<CData*>(nullptr);             \
    }

#define PORTS(stream, is_driven)                                         \
    struct stream {                                                      \
        static auto& data(Vunit& unit) { return unit.stream##_tdata; }   \
        static auto& valid(Vunit& unit) { return unit.stream##_tvalid; } \
        static auto& ready(Vunit& unit) { return unit.stream##_tready; } \
        SIGNAL(stream, user)                                             \
        SIGNAL(stream, last)                                             \
        static constexpr bool driven = is_driven;                        \
    };

#define STREAM(stream) PORTS(stream, true)
#define TAP(stream) PORTS(stream, false)

#define EXPORTED extern "C" __attribute__((visibility("default")))

#define UNIT(In, Out, names)                                                               \
    EXPORTED const char* a2q_streams() { return names; }                                   \
    EXPORTED void a2q_play(Batch* batches, int64_t count, int seed, uint32_t* hits) {      \
        play_all(batches, count, seed, hits, In{}, Out{});                                 \
    }
