import PEValidateCore
import SwiftUI

/// The camera's picture, what the chosen model sees in it, and how long that takes.
struct LiveView: View {
    @State private var session = LiveSession()

    var body: some View {
        ZStack(alignment: .bottom) {
            CameraPreview(session: session.camera.session)
                .ignoresSafeArea()
            VStack(alignment: .leading, spacing: 8) {
                Picker("Model", selection: $session.chosen) {
                    ForEach(session.choices, id: \.self) { name in
                        Text(name).tag(Optional(name))
                    }
                }
                if let message = session.message {
                    Text(message).foregroundStyle(Color.red)
                }
                ForEach(session.labels, id: \.self) { line in
                    Text(line).font(.headline)
                }
                ForEach(session.lines, id: \.self) { line in
                    Text(line).font(.caption)
                }
                .foregroundStyle(session.keepsBudget == false ? Color.red : Color.primary)
            }
            .padding()
            .frame(maxWidth: .infinity, alignment: .leading)
            .background(.thinMaterial)
        }
        .task { await session.start() }
        .onChange(of: session.chosen) { session.load() }
        .onDisappear { session.stop() }
    }
}
