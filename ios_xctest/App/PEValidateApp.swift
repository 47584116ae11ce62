import SwiftUI

@main
struct PEValidateApp: App {
    var body: some Scene {
        WindowGroup {
            LiveView()
        }
    }
}
