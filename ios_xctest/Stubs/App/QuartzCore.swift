/// What the app uses of Apple's module, for type-checking where there is none.
@preconcurrency @MainActor open class CALayer {
    public init() {}
}
