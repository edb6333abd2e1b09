//! helm: packs, pushes and pulls charts.

use crate::client::Client;
use crate::support::Holdfast;

const CHART: &str = "apiVersion: v2\nname: ship\nversion: 0.1.0\ndescription: A chart of one file\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata: {}\n";

#[test]
fn helm_gets_back_the_chart_that_it_pushed() {
    let Some(helm) = Client::find("helm") else {
        return;
    };
    let holdfast = Holdfast::start();
    let charts = format!("oci://{}/charts", holdfast.address);
    std::fs::create_dir_all(helm.folder().join("ship/templates")).unwrap();
    helm.write("ship/Chart.yaml", CHART);
    helm.write("ship/templates/map.yaml", TEMPLATE);

    helm.run(["package", "ship"]);
    helm.run(["push", "ship-0.1.0.tgz", &charts, "--plain-http"]);
    assert_eq!(holdfast.tags("charts/ship"), ["0.1.0"]);

    let chart = format!("{charts}/ship");
    for (version, folder) in [("0.1.0", "exact"), (">=0.1.0 <1", "newest")] {
        std::fs::create_dir(helm.folder().join(folder)).unwrap();
        helm.run(["pull", &chart, "--version", version, "--plain-http", "--destination", folder]);
        let [pushed, pulled] = ["ship-0.1.0.tgz", &format!("{folder}/ship-0.1.0.tgz")]
            .map(|name| std::fs::read(helm.path(name)).unwrap());
        assert!(pushed == pulled, "the chart came back changed");
    }
    assert!(helm.run(["template", "rendered", &chart, "--plain-http"]).contains("name: rendered"));
}
