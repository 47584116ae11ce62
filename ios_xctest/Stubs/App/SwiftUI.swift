// What the app uses of Apple's modules SwiftUI and UIKit, for type-checking where there are none.
// Declared after developer.apple.com/documentation/swiftui; what a view is made into is of no interest here.
import AVFoundation  // has CALayer
@_exported import Foundation

@MainActor @preconcurrency public protocol View {
    associatedtype Body: View
    @ViewBuilder var body: Body { get }
}

extension Never: View {
    public var body: Never { return fatalError() }
}

/// A view of the system.
public struct Drawn: View {
    public var body: Never { return fatalError() }
}

@resultBuilder @MainActor public struct ViewBuilder {
    public static func buildBlock<each Content: View>(_ content: repeat each Content) -> Drawn { Drawn() }
    public static func buildOptional(_ content: Drawn?) -> Drawn { Drawn() }
    public static func buildEither(first content: Drawn) -> Drawn { content }
    public static func buildEither(second content: Drawn) -> Drawn { content }
    public static func buildExpression<Content: View>(_ content: Content) -> Content { content }
}

@MainActor @preconcurrency public protocol Scene {}

@MainActor @preconcurrency public protocol App {
    associatedtype Body: Scene
    var body: Body { get }
    init()
}

extension App {
    public static func main() {}
}

public struct WindowGroup: Scene {
    public init<Content: View>(@ViewBuilder content: () -> Content) {}
}

@propertyWrapper public struct State<Value> {
    public var wrappedValue: Value
    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }
    public var projectedValue: Binding<Value> { Binding() }
}

@dynamicMemberLookup public struct Binding<Value> {
    public subscript<Subject>(dynamicMember path: WritableKeyPath<Value, Subject>) -> Binding<Subject> {
        Binding<Subject>()
    }
}

public struct Text: View {
    public init<S: StringProtocol>(_ content: S) {}
    public var body: Never { return fatalError() }
    public func font(_ font: Font?) -> Text { self }
}

public struct ZStack: View {
    public init<Content: View>(alignment: Alignment, @ViewBuilder content: () -> Content) {}
    public var body: Never { return fatalError() }
}

public struct VStack: View {
    public init<Content: View>(alignment: HorizontalAlignment, spacing: CGFloat?, @ViewBuilder content: () -> Content) {
    }
    public var body: Never { return fatalError() }
}

public struct Picker: View {
    public init<Value: Hashable, Content: View>(
        _ title: String,
        selection: Binding<Value>,
        @ViewBuilder content: () -> Content
    ) {}
    public var body: Never { return fatalError() }
}

public struct ForEach: View {
    public init<Data: RandomAccessCollection, ID: Hashable, Content: View>(
        _ data: Data,
        id: KeyPath<Data.Element, ID>,
        @ViewBuilder content: @escaping @MainActor (Data.Element) -> Content
    ) {}
    public var body: Never { return fatalError() }
}

public struct Alignment: Sendable {
    public static let leading = Alignment()
    public static let bottom = Alignment()
}

public struct HorizontalAlignment: Sendable {
    public static let leading = HorizontalAlignment()
}

public struct Font: Sendable {
    public static let headline = Font()
    public static let caption = Font()
}

public protocol ShapeStyle: Sendable {}

public struct Color: ShapeStyle {
    public static let red = Color()
    public static let primary = Color()
}

public struct HierarchicalShapeStyle: ShapeStyle {}

extension ShapeStyle where Self == Color {
    public static var red: Color { .red }
}

extension ShapeStyle where Self == HierarchicalShapeStyle {
    public static var primary: HierarchicalShapeStyle { HierarchicalShapeStyle() }
}

public struct Material: ShapeStyle {}

extension ShapeStyle where Self == Material {
    public static var thinMaterial: Material { Material() }
}

extension View {
    public func ignoresSafeArea() -> Drawn { Drawn() }
    public func tag<Tag: Hashable>(_ tag: Tag) -> Drawn { Drawn() }
    public func foregroundStyle<Style: ShapeStyle>(_ style: Style) -> Drawn { Drawn() }
    public func padding() -> Drawn { Drawn() }
    public func frame(maxWidth: CGFloat?, alignment: Alignment) -> Drawn { Drawn() }
    public func background<Style: ShapeStyle>(_ style: Style) -> Drawn { Drawn() }
    public func task(_ action: @escaping @MainActor @Sendable () async -> Void) -> Drawn { Drawn() }
    public func onChange<Value: Equatable>(of value: Value, _ action: @escaping () -> Void) -> Drawn { Drawn() }
    public func onDisappear(perform action: (() -> Void)?) -> Drawn { Drawn() }
}

@MainActor open class UIView {
    public init() {}
    open class var layerClass: AnyClass { CALayer.self }
    public var layer: CALayer { CALayer() }
}

@MainActor @preconcurrency public protocol UIViewRepresentable: View where Body == Never {
    associatedtype UIViewType: UIView
    typealias Context = UIViewRepresentableContext<Self>
    func makeUIView(context: Context) -> UIViewType
    func updateUIView(_ view: UIViewType, context: Context)
}

extension UIViewRepresentable {
    public var body: Never { return fatalError() }
}

public struct UIViewRepresentableContext<Representable> {}
