#include "moraine/rewrite/batch_queue.h"

#include <new>
#include <stdexcept>

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "moraine/base/executor.h"

namespace moraine::rewrite {
namespace {

RowBatch EmptyBatch() {
  return {arrow::RecordBatch::MakeEmpty(arrow::schema({})).ValueOrDie(), {}};
}

std::function<Result<RowBatch>(Call&)> Batches(int count, Status last) {
  return [count, last](Call&) mutable -> Result<RowBatch> {
    if (count-- > 0) return EmptyBatch();
    if (!last.ok()) return last;
    return RowBatch();
  };
}

TEST(BatchQueue, EndsAsItsProducerEnds) {
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(1));
  for (const Status& last : {Status(), Corruption("a file is broken")}) {
    BatchQueue queue(3);
    PushAll(call, Batches(2, last), &queue);
    EXPECT_NE(queue.Pop(call).value().rows, nullptr);
    EXPECT_NE(queue.Pop(call).value().rows, nullptr);
    Result<RowBatch> end = queue.Pop(call);
    EXPECT_EQ(end.status().code(), last.code());
    if (end.ok()) {
      EXPECT_EQ(end->rows, nullptr);
    }
  }
}

TEST(BatchQueue, RowsThatDoNotGetThroughAreNotTheEnd) {
  std::stop_source stop;
  Call producer(SystemEnv(NullLogger()), std::chrono::minutes(1), stop.get_token());
  stop.request_stop();
  BatchQueue queue(1);
  PushAll(producer, Batches(2, {}), &queue);  // the second finds no room, and cannot wait
  Call consumer(SystemEnv(NullLogger()), std::chrono::minutes(1));
  EXPECT_NE(queue.Pop(consumer).value().rows, nullptr);
  EXPECT_EQ(queue.Pop(consumer).status().code(), Code::kCancelled);
}

// On a thread of its own: what is thrown there would end the process.
TEST(BatchQueue, AProducerThatThrowsHasFailed) {
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(1));
  const auto throwing = [](int batches, bool is_memory) {
    return [batches, is_memory](Call&) mutable -> Result<RowBatch> {
      if (batches-- > 0) return EmptyBatch();
      if (is_memory) throw std::bad_alloc();
      throw std::runtime_error("why not");
    };
  };
  for (const bool is_memory : {true, false}) {
    BatchQueue queue(3);
    Thread producer("test",
                    [&](std::stop_token) { PushAll(call, throwing(1, is_memory), &queue); });
    Call own(call);
    EXPECT_NE(queue.Pop(own).value().rows, nullptr);
    EXPECT_EQ(queue.Pop(own).status().code(), is_memory ? Code::kExhausted : Code::kInternal);
    producer.Join();
  }
}

// A consumer that throws does not wait for a producer that waits for it.
TEST(BatchQueue, AConsumerThatThrowsLetsTheProducerGo) {
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(1));
  const auto consume = [&] {
    BatchQueue queue(1);
    Call own(call);
    Thread producer("test", [&](std::stop_token) { PushAll(own, Batches(100, {}), &queue); });
    const BatchQueue::Abandoning abandoning(&queue);
    (void)queue.Pop(call).value();
    throw std::bad_alloc();
  };
  EXPECT_THROW(consume(), std::bad_alloc);
}

}  // namespace
}  // namespace moraine::rewrite
