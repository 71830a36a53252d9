#include "moraine/rewrite/batch_queue.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace moraine::rewrite
