package org.apache.iceberg;

import java.io.File;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.iceberg.io.FileAppender;
import org.apache.iceberg.io.FileIO;
import org.apache.iceberg.io.InputFile;
import org.apache.iceberg.io.OutputFile;
import org.apache.iceberg.types.Comparators;
import org.apache.iceberg.types.Conversions;
import org.apache.iceberg.types.Type;
import org.apache.iceberg.types.Types;

/** Writes the files of this folder with Iceberg's own core, and reads manifests for a check (see README.md). */
public class Make {
  static final long SNAPSHOT = 7L;
  static final String COLUMNS =
      "boolean identity|int identity|long identity|float identity|double identity|decimal(9,2) identity|decimal(38,10) identity"
          + "|date identity|time identity|timestamp identity|timestamptz identity|timestamp_ns identity|timestamptz_ns identity"
          + "|string identity|uuid identity|uuid identity|binary identity|decimal(9,2) identity"
          + "|string bucket[16]|long truncate[10]|timestamp year|timestamptz month|timestamp day|date day|timestamp hour|int void";

  static Object value(Type type, String transform, int which) {
    if (transform.equals("void")) return null;
    if (!transform.equals("identity") && !transform.startsWith("truncate")) return new int[] {650, -1, 15}[which];
    switch (type.typeId()) {
      case BOOLEAN: return which != 1;
      case INTEGER: return new int[] {19000, Integer.MIN_VALUE, Integer.MAX_VALUE}[which];
      case DATE: return new int[] {19675, -1, 0}[which];
      case FLOAT: return new float[] {1.5f, -0.0f, Float.NaN}[which];
      case DOUBLE: return new double[] {-2.25, -0.0, Double.NaN}[which];
      case DECIMAL: {
        Types.DecimalType decimal = (Types.DecimalType) type;
        String nines = "9".repeat(decimal.precision());
        String[] all = {"-5", "-" + nines, nines};
        return new BigDecimal(new java.math.BigInteger(all[which]), decimal.scale());
      }
      case STRING: return new String[] {"a value longer than fifteen bytes", "", "\u00e9\ud83d\ude00"}[which];
      case UUID: return new UUID[] {UUID.fromString("f79c3e09-677c-4bbd-a479-3f349cb785e7"), new UUID(0, 0), new UUID(-1, -1)}[which];
      case FIXED: return ByteBuffer.wrap(new byte[][] {{97, 98, 99}, {0, 0, 0}, {-1, -1, -1}}[which]);
      case BINARY: return ByteBuffer.wrap(new byte[][] {{97, 98, 99, 100}, {}, {0, -1}}[which]);
      default: return new long[] {1700000000000000L, Long.MIN_VALUE, Long.MAX_VALUE}[which];
    }
  }

  static class Table {
    Schema schema;
    PartitionSpec spec;
    PartitionData[] tuples = new PartitionData[4]; // usual, null, low, high

    Table(int version) {
      this(version, COLUMNS);
    }

    Table(int version, String columns) {
      List<Types.NestedField> fields = new ArrayList<>();
      List<String> transforms = new ArrayList<>();
      for (String column : columns.split("\\|")) {
        int blank = column.lastIndexOf(' ');
        String type = column.substring(0, blank);
        if (version < 3 && type.endsWith("_ns")) continue;
        int id = fields.size() + 1;
        fields.add(Types.NestedField.optional(id, "c" + id, Types.fromPrimitiveString(type)));
        transforms.add(column.substring(blank + 1));
      }
      schema = new Schema(1, fields);
      UnboundPartitionSpec.Builder builder = UnboundPartitionSpec.builder().withSpecId(3);
      for (int i = 0; i < fields.size(); i++) {
        builder.addField(transforms.get(i), i + 1, 1000 + i, i == 1 ? "1 day/p-2" : "c" + (i + 1) + "_part");
      }
      spec = builder.build().bind(schema);
      for (int t = 0; t < 4; t++) {
        tuples[t] = new PartitionData(spec.partitionType());
        for (int i = 0; i < fields.size() && t != 1; i++) {
          tuples[t].set(i, value(fields.get(i).type(), transforms.get(i), t == 0 ? 0 : t - 1));
        }
      }
    }
  }

  static ByteBuffer bytes(String text) {
    return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
  }

  static Metrics metrics(long rows) {
    return new Metrics(rows, Map.of(1, 100L, 2, 1L << 40), Map.of(1, rows, 2, rows), Map.of(1, 0L, 2, 7L), Map.of(4, 1L),
        Map.of(1, bytes("\0"), 14, bytes("")), Map.of(1, bytes("\1"), 14, bytes("x".repeat(40))));
  }

  static DataFile dataFile(Table table, int number, boolean full) {
    DataFiles.Builder builder = DataFiles.builder(table.spec).withPath(String.format("s3://bucket/db/t/data/%05d.parquet", number))
        .withFormat(full ? FileFormat.PARQUET : FileFormat.ORC).withPartition(table.tuples[number - 1])
        .withFileSizeInBytes((1 << 20) + number).withRecordCount(1000 + number);
    if (full) {
      builder.withMetrics(metrics(1000 + number)).withSplitOffsets(Arrays.asList(4L, 1L << 33)).withEncryptionKeyMetadata(bytes("\0key"));
    }
    return builder.build();
  }

  static void data(Table table, int version, String name, File folder, List<ManifestFile> lines) throws Exception {
    OutputFile out = Files.localOutput(new File(folder, "v" + version + name + ".avro"));
    ManifestWriter<DataFile> writer = ManifestFiles.write(version, table.spec, out, SNAPSHOT);
    writer.add(dataFile(table, 1, true));
    writer.add(dataFile(table, 2, false), 4L);
    writer.existing(dataFile(table, 3, true), 5L, 3L, 2L);
    writer.delete(dataFile(table, 4, true), 3L, 2L);
    writer.close();
    lines.add(writer.toManifestFile());
  }

  static void deletes(int version, File folder, List<ManifestFile> lines) throws Exception {
    Table table = new Table(version);
    OutputFile out = Files.localOutput(new File(folder, "v" + version + "_deletes.avro"));
    ManifestWriter<DeleteFile> writer = ManifestFiles.writeDeleteManifest(version, table.spec, out, SNAPSHOT);
    writer.add(FileMetadata.deleteFileBuilder(table.spec).ofEqualityDeletes(1, 2).withPath("s3://bucket/eq.parquet").withFormat(FileFormat.PARQUET)
        .withPartition(table.tuples[0]).withFileSizeInBytes(10).withRecordCount(3).withSortOrder(SortOrder.unsorted()).build());
    if (version == 2) {
      writer.add(FileMetadata.deleteFileBuilder(table.spec).ofPositionDeletes().withPath("s3://bucket/pos.parquet").withFormat(FileFormat.PARQUET)
          .withPartition(table.tuples[2]).withFileSizeInBytes(10).withRecordCount(3).withReferencedDataFile("s3://bucket/d.parquet").build());
    } else {
      writer.add(FileMetadata.deleteFileBuilder(table.spec).ofPositionDeletes().withPath("s3://bucket/dv.puffin").withFormat(FileFormat.PUFFIN)
          .withPartition(table.tuples[2]).withFileSizeInBytes(100).withRecordCount(3).withReferencedDataFile("s3://bucket/d.parquet")
          .withContentOffset(4).withContentSizeInBytes(40).build());
    }
    writer.close();
    lines.add(writer.toManifestFile());
  }

  static String json(Object value) {
    if (value == null || value instanceof Number || value instanceof Boolean) return String.valueOf(value);
    if (value instanceof ByteBuffer) {
      StringBuilder hex = new StringBuilder("\"");
      ByteBuffer buffer = ((ByteBuffer) value).duplicate();
      while (buffer.hasRemaining()) hex.append(String.format("%02x", buffer.get()));
      return hex.append('"').toString();
    }
    if (value instanceof List) {
      List<String> parts = new ArrayList<>();
      for (Object part : (List<?>) value) parts.add(json(part));
      return "[" + String.join(", ", parts) + "]";
    }
    if (value instanceof Map) {
      List<String> parts = new ArrayList<>();
      for (Map.Entry<?, ?> part : ((Map<?, ?>) value).entrySet()) parts.add(json(part.getKey()) + ": " + json(part.getValue()));
      return "{" + String.join(", ", parts) + "}";
    }
    return "\"" + value + "\"";
  }

  static List<Object> pairs(Map<Integer, ?> map) {
    List<Object> list = new ArrayList<>();
    if (map == null) return list;
    for (Map.Entry<Integer, ?> entry : new java.util.TreeMap<Integer, Object>(map).entrySet()) {
      list.add(Arrays.asList(entry.getKey(), entry.getValue()));
    }
    return list;
  }

  static List<Object> tuple(StructLike partition, Types.StructType type) {
    List<Object> list = new ArrayList<>();
    for (int i = 0; i < type.fields().size(); i++) {
      Object value = partition.get(i, Object.class);
      list.add(value == null ? null : Conversions.toByteBuffer(type.fields().get(i).type(), value));
    }
    return list;
  }

  static String dump(ManifestEntry<? extends ContentFile<?>> entry, PartitionSpec spec) {
    ContentFile<?> file = entry.file();
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("status", entry.status().id());
    out.put("snapshot_id", entry.snapshotId());
    out.put("sequence_number", entry.dataSequenceNumber());
    out.put("file_sequence_number", entry.fileSequenceNumber());
    out.put("content", file.content().id());
    out.put("file_path", file.location());
    out.put("file_format", file.format());
    out.put("partition", tuple(file.partition(), spec.partitionType()));
    out.put("record_count", file.recordCount());
    out.put("file_size_in_bytes", file.fileSizeInBytes());
    out.put("column_sizes", pairs(file.columnSizes()));
    out.put("value_counts", pairs(file.valueCounts()));
    out.put("null_value_counts", pairs(file.nullValueCounts()));
    out.put("nan_value_counts", pairs(file.nanValueCounts()));
    out.put("lower_bounds", pairs(file.lowerBounds()));
    out.put("upper_bounds", pairs(file.upperBounds()));
    out.put("key_metadata", file.keyMetadata());
    out.put("split_offsets", file.splitOffsets() == null ? List.of() : file.splitOffsets());
    out.put("equality_ids", file.equalityFieldIds() == null ? List.of() : file.equalityFieldIds());
    out.put("sort_order_id", file.sortOrderId());
    out.put("first_row_id", file.firstRowId());
    if (file instanceof DeleteFile) {
      out.put("referenced_data_file", ((DeleteFile) file).referencedDataFile());
      out.put("content_offset", ((DeleteFile) file).contentOffset());
      out.put("content_size_in_bytes", ((DeleteFile) file).contentSizeInBytes());
    } else {
      out.put("referenced_data_file", null);
      out.put("content_offset", null);
      out.put("content_size_in_bytes", null);
    }
    return json(out);
  }

  static String dump(ManifestFile line) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("manifest_path", line.path());
    out.put("manifest_length", line.length());
    out.put("partition_spec_id", line.partitionSpecId());
    out.put("sequence_number", line.sequenceNumber());
    out.put("min_sequence_number", line.minSequenceNumber());
    out.put("added_snapshot_id", line.snapshotId());
    out.put("added_files_count", line.addedFilesCount());
    out.put("existing_files_count", line.existingFilesCount());
    out.put("deleted_files_count", line.deletedFilesCount());
    out.put("added_rows_count", line.addedRowsCount());
    out.put("existing_rows_count", line.existingRowsCount());
    out.put("deleted_rows_count", line.deletedRowsCount());
    out.put("content", line.content().id());
    List<Object> summaries = null;
    if (line.partitions() != null) {
      summaries = new ArrayList<>();
      for (ManifestFile.PartitionFieldSummary summary : line.partitions()) {
        summaries.add(Arrays.asList(summary.containsNull(), summary.containsNaN(), summary.lowerBound(), summary.upperBound()));
      }
    }
    out.put("partitions", summaries);
    out.put("key_metadata", line.keyMetadata());
    out.put("first_row_id", line.firstRowId());
    return json(out);
  }

  /** Only reads: the manifest whose list line is given. */
  static List<String> read(ManifestFile line, File file, PartitionSpec spec) throws Exception {
    FileIO io = new FileIO() {
      @Override public InputFile newInputFile(String path) { return Files.localInput(file); }
      @Override public OutputFile newOutputFile(String path) { throw new UnsupportedOperationException(); }
      @Override public void deleteFile(String path) { throw new UnsupportedOperationException(); }
    };
    List<String> out = new ArrayList<>();
    Map<Integer, PartitionSpec> specs = Map.of(spec.specId(), spec);
    if (line.content() == ManifestContent.DATA) {
      try (ManifestReader<DataFile> reader = ManifestFiles.read(line, io, specs)) {
        for (ManifestEntry<DataFile> entry : reader.entries()) out.add(dump(entry, spec));
      }
    } else {
      try (ManifestReader<DeleteFile> reader = ManifestFiles.readDeleteManifest(line, io, specs)) {
        for (ManifestEntry<DeleteFile> entry : reader.entries()) out.add(dump(entry, spec));
      }
    }
    return out;
  }

  static void write(File file, List<String> lines) throws Exception {
    java.nio.file.Files.writeString(file.toPath(), "[\n" + String.join(",\n", lines) + "\n]\n");
  }

  /** Reads list_vN.avro and the manifests that it names, which lie beside it, and writes what it found as JSON. */
  static void readFolder(int version, File from, File to, PartitionSpec spec) throws Exception {
    List<String> lines = new ArrayList<>();
    for (ManifestFile line : ManifestLists.read(Files.localInput(new File(from, "list_v" + version + ".avro")))) {
      lines.add(dump(line));
      String name = line.path().substring(line.path().lastIndexOf('/') + 1);
      PartitionSpec own = spec;
      if (own == null) {
        try (org.apache.iceberg.avro.AvroIterable<?> file = org.apache.iceberg.avro.Avro.read(Files.localInput(new File(from, name)))
            .project(new Schema()).build()) {
          Map<String, String> meta = file.getMetadata();
          own = PartitionSpecParser.fromJsonFields(SchemaParser.fromJson(meta.get("schema")), line.partitionSpecId(), meta.get("partition-spec"));
        }
      }
      write(new File(to, name.replace(".avro", ".json")), read(line, new File(from, name), own));
    }
    write(new File(to, "list_v" + version + ".json"), lines);
  }

  public static void main(String[] args) throws Exception {
    if (args[0].equals("read")) {
      for (int version = 1; version <= 3; version++) readFolder(version, new File(args[1]), new File(args[2]), null);
      return;
    }
    File folder = new File(args[1]);
    for (int version = 1; version <= 3; version++) {
      List<ManifestFile> lines = new ArrayList<>();
      data(new Table(version), version, "_data", folder, lines);
      if (version >= 2) deletes(version, folder, lines);
      OutputFile out = Files.localOutput(new File(folder, "list_v" + version + ".avro"));
      try (FileAppender<ManifestFile> appender = ManifestLists.write(version, out, SNAPSHOT, version == 1 ? null : (Long) 5L, version == 1 ? 0L : 9L,
          version == 3 ? (Long) 1000L : null)) {
        for (ManifestFile line : lines) {
          String name = line.path().substring(line.path().lastIndexOf('/') + 1);
          ((GenericManifestFile) line).set(0, "s3://bucket/db/t/metadata/" + name);
          appender.add(line);
        }
      }
      readFolder(version, folder, folder, new Table(version).spec);
      if (version != 2) continue;
      lines.clear();
      Table fixed = new Table(2, "fixed[3] identity|int identity|fixed[3] identity");
      data(fixed, 2, "_fixed", folder, lines);
      GenericManifestFile line = (GenericManifestFile) lines.get(0);
      line.set(4, 9L);
      write(new File(folder, "v2_fixed.json"), read(line, new File(folder, "v2_fixed.avro"), fixed.spec));
    }
  }
}
