"""Tables of the measurements on each machine."""

from ctnet.book import machines


def test_speeds_have_rows_for_every_device():
    row = {"seconds": 0.5, "clips_per_s": 2.0, "times": 1.0, "times_low": 1.0, "times_high": 1.5}
    made = {"device": "a chip", "versions": {"torch": "2.14.1"}, "commit": "0123", "started": "2021-05-03 10:00 UTC"}
    record = {"provenance": made, "inference": {"rows": {"plain fp32": row, "fused fp32": row | {"times": 2.0}}}}
    assert machines.devices([record, record])[""].tolist() == ["A", "B"]
    shown = machines.speeds([record, record], "inference")
    assert shown["on"].tolist() == ["A", "A", "B", "B"] and shown["times the first"].tolist() == ["1.00", "2.00"] * 2
    assert shown["ms a call"][0] == "500.0" and shown["quartiles"][0] == "1.00 to 1.50"
    assert machines.speeds([record], "training").empty and machines.devices([]).empty


def test_price_is_the_ratio_of_times_within_rounds():
    def row(gmacs, seconds):
        return {"gmacs_per_s": gmacs / seconds, "seconds": seconds}

    rows = {"plain fp32": row(30, 0.6), "ctnet compiled fp32": row(30, 0.2), "tsn compiled fp32": row(40, 0.25)}
    seconds = {"plain fp32": [0.6] * 3, "ctnet compiled fp32": [0.2, 0.4, 0.1], "tsn compiled fp32": [0.25, 0.4, 0.25]}
    record = {"throughput": {"rows": rows, "seconds": seconds, "dense": {"fp32": 200.0}}, "inference": {"rows": rows}}
    (line,) = machines.prices([record]).to_dict("records")
    assert (line["on"], line["call"], line["precision"]) == ("A", "four clips", "fp32")
    assert (line["operations"], line["time"], line["quartiles"]) == ("0.75", "0.80", "0.60 to 0.90")
    assert [line[name] for name in machines.PRICE[-3:]] == ["75%", "80%", "25%"]
    assert machines.prices([]).empty
