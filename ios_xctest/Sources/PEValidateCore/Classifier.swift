import Foundation

/// Labels of images by the cosine of their features with a table of class embeddings.
///
/// The table is a safetensors file: `embeddings`, float32 `[classes, dim]`, and in its metadata `labels`, a JSON array of
/// as many strings.
public struct Classifier: Sendable {
    public struct Match: Equatable, Sendable {
        public let label: String
        public let cosine: Float
    }

    public let labels: [String]
    /// Features that it compares.
    public let dimension: Int
    private let embeddings: [Float]

    /// - Throws: `PEValidateError` when the file is not such a table.
    public init(contentsOf url: URL) throws {
        try self.init(TensorFile(contentsOf: url))
    }

    /// - Throws: `PEValidateError` when the file is not such a table.
    public init(_ file: TensorFile) throws {
        let listed = Data((file.metadata["labels"] ?? "").utf8)
        guard let labels = try? JSONDecoder().decode([String].self, from: listed) else {
            throw PEValidateError("the table of class embeddings has no 'labels' in its metadata")
        }
        let values = try file.floats("embeddings")
        guard let shape = file.tensors["embeddings"]?.shape, shape.count == 2, shape[0] == labels.count, shape[1] > 0
        else {
            throw PEValidateError("'embeddings' is not one vector for each of \(labels.count) labels")
        }
        self.labels = labels
        self.dimension = shape[1]
        self.embeddings = labels.indices.flatMap { row in
            normalized(values[row * shape[1]..<(row + 1) * shape[1]])
        }
    }

    /// The `count` labels that are nearest, the nearest first.
    ///
    /// - Throws: `PEValidateError` when `features` are not as many as the table has.
    public func classify(_ features: [Float], count: Int) throws -> [Match] {
        guard features.count == dimension else {
            throw PEValidateError("\(features.count) features cannot be compared with a table of \(dimension)")
        }
        let query = normalized(features[...])
        let cosines = labels.indices.map { row in
            zip(query, embeddings[row * dimension..<(row + 1) * dimension]).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let nearest = labels.indices.sorted { cosines[$0] > cosines[$1] }.prefix(count)
        return nearest.map { Match(label: labels[$0], cosine: cosines[$0]) }
    }
}

private func normalized(_ vector: ArraySlice<Float>) -> [Float] {
    unit(vector.map(Double.init)).map(Float.init)
}
