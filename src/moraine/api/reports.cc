// Metrics reports that engines sent of a table: what they scanned and committed.

#include "moraine/api/impl_internal.h"
#include "moraine/base/text.h"

namespace moraine::api {

void Service::Impl::AddReports(net::Router& router) {
  router.Add(net::Method::kGet,
             "/api/v1/warehouses/{warehouse}/namespaces/{namespace}/tables/{table}/reports",
             [this](Call& call, const net::Request& request, const net::PathParams& params) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(size_t limit, LimitOf(request, 20, 100));
                 catalog::TableName name{{}, params.Get("table")};
                 for (auto level : Split(params.Get("namespace"), '\x1f'))
                   name.ns.emplace_back(level);
                 MORAINE_ASSIGN(auto reports,
                                catalog.Reports(call, params.Get("warehouse"), name, limit));
                 std::string text;
                 JsonWriter out(&text);
                 out.BeginObject().Key("reports").BeginArray();
                 for (const auto& report : reports) {
                   out.BeginObject()
                       .Field("reported-ms", report.reported_ms)
                       .Key("report")
                       .Raw(report.report)
                       .EndObject();
                 }
                 out.EndArray().EndObject();
                 return text;
               });
             });
}

}  // namespace moraine::api
