import Foundation
import PEValidateCore
import SwiftUI

@main
struct PEValidateApp: App {
    /// A camera and its inferences beside the tests would be in what they measure.
    private let isTested = isTestHost(environment: ProcessInfo.processInfo.environment)

    var body: some Scene {
        WindowGroup {
            if isTested {
                Text("Tests are running.")
            } else {
                LiveView()
            }
        }
    }
}
