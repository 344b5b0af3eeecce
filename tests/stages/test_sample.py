from conftest import assert_one_line_error, files_below, run_stage, small_params, write_params


def test_draws_what_the_parameters_ask_for(workplace):
    params = small_params()
    params["sample"]["counts"] = {"crack": 2, "spatter": 1}
    write_params(workplace, params)
    done = run_stage("sample", "drawn", folder=workplace)
    assert done.returncode == 0, done.stderr
    assert len(files_below(workplace / "drawn")) == 3


def test_unknown_condition(workplace):
    params = small_params()
    params["sample"]["counts"] = {"crak": 2}
    write_params(workplace, params)
    assert_one_line_error(run_stage("sample", "drawn", folder=workplace), "params.yaml: sample.counts", "crak")
    assert files_below(workplace) == {"params.yaml"}
